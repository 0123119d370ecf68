//! From the tree to places: columns from left to right. The first branch goes straight on, the others below it.

use crate::api::steps::{EdgeCause, RevisionSource, StepLine};

use super::tree::{Branch, Run, Target};
use super::{Block, Drawing, Line, Taken, Way, said};

const WIDTH: usize = 236;
/// Between columns: the labels of branches.
const GAP: usize = 132;
const ROW: usize = 22;
const PADDING: usize = 7;
/// Between boxes below each other.
const SPACE: usize = 16;
const MARGIN: usize = 8;
/// Characters of a line, and of a label.
const LONGEST: usize = 33;
const LONGEST_LABEL: usize = 16;

struct Page<'a> {
    source: &'a RevisionSource,
    taken: &'a Taken,
    drawing: Drawing,
}

pub(super) fn place(source: &RevisionSource, tree: &Option<Run>, taken: &Taken) -> Drawing {
    let mut page = Page { source, taken, drawing: Drawing::default() };
    if let Some(run) = tree {
        let height = page.run(run, 0, MARGIN);
        page.drawing.height = height + MARGIN;
    }
    let right = page.drawing.boxes.iter().map(|block| block.x + block.width).max().unwrap_or_default();
    page.drawing.width = right + MARGIN;
    page.drawing
}

fn column(depth: usize) -> usize {
    MARGIN + depth * (WIDTH + GAP)
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest.saturating_sub(1)).chain(['…']).collect()
}

impl Page<'_> {
    /// Places a run and everything after it. Returns its lower end.
    fn run(&mut self, run: &Run, depth: usize, y: usize) -> usize {
        let x = column(depth);
        let steps: Vec<&StepLine> = run.steps.iter().filter_map(|at| self.source.steps.get(*at)).collect();
        let height = 2 * PADDING + ROW * steps.len();
        let lines = steps.iter().enumerate().map(|(row, step)| self.line(step, x, y + PADDING + row * ROW));
        let block = Block {
            x,
            y,
            width: WIDTH,
            height,
            reference: false,
            taken: steps.iter().any(|step| self.taken.has(step)),
            lines: lines.collect(),
        };
        self.drawing.boxes.push(block);
        let Some(last) = steps.last() else { return y + height };
        // The row of the step that branches.
        let row = y + height - PADDING - ROW;
        let mut next = row - PADDING;
        let mut low = y + height;
        for branch in &run.branches {
            let end = self.branch(last, branch, depth, row + ROW / 2, next);
            low = low.max(end);
            next = end + SPACE;
        }
        low
    }

    /// Places a branch at `y`, with a line from the row of its step. Returns its lower end.
    fn branch(&mut self, from: &StepLine, branch: &Branch, depth: usize, row: usize, y: usize) -> usize {
        let (start, x) = (column(depth) + WIDTH, column(depth + 1));
        let (bend, middle) = (start + 14, y + PADDING + ROW / 2);
        let to = match &branch.to {
            Target::Run(run) => run.steps.first().copied(),
            Target::Elsewhere(at) => Some(*at),
        };
        let to = to.and_then(|at| self.source.steps.get(at));
        let taken = to.is_some_and(|to| self.taken.went(from, branch.outcome.as_deref(), to));
        self.drawing.ways.push(Way {
            d: if row == middle {
                format!("M{start} {row}H{x}")
            } else {
                let corner = middle.saturating_sub(6);
                format!("M{start} {row}H{bend}V{corner}Q{bend} {middle} {} {middle}H{x}", bend + 6)
            },
            label: cut(&branch.label, LONGEST_LABEL),
            title: branch.label.clone(),
            x: bend + 8,
            y: middle - 5,
            taken,
        });
        match &branch.to {
            Target::Run(run) => self.run(run, depth + 1, y),
            Target::Elsewhere(_) => {
                let height = 2 * PADDING + ROW;
                let lines = to.map(|to| Line {
                    x: x + 10,
                    y: y + PADDING + ROW / 2 + 4,
                    verb: "→".to_owned(),
                    text: cut(&said::name(to), LONGEST - 2),
                    title: format!("goes on with {}", said::name(to)),
                    kind: "plain",
                    state: if taken { "taken" } else { "" },
                });
                let lines: Vec<Line> = lines.into_iter().collect();
                self.drawing.boxes.push(Block { x, y, width: WIDTH, height, reference: true, taken, lines });
                y + height
            }
        }
    }

    fn line(&self, step: &StepLine, x: usize, y: usize) -> Line {
        let verb = said::verb(step);
        let room = LONGEST.saturating_sub(verb.chars().count() + 1);
        let short = said::about(step);
        let note = self.taken.note.as_ref().filter(|_| self.taken.is_now(step));
        let title = said::step(step);
        Line {
            x: x + 10,
            y: y + ROW / 2 + 4,
            text: cut(&short, room),
            verb,
            title: note.map_or(title.clone(), |note| format!("{title}; {note}")),
            kind: kind(step),
            state: match (self.taken.is_now(step), self.taken.has(step)) {
                (true, _) => "now",
                (false, true) => "taken",
                (false, false) => "",
            },
        }
    }
}

fn kind(step: &StepLine) -> &'static str {
    let decides = step.edges.iter().any(|edge| edge.via == EdgeCause::Outcome);
    if step.adverse {
        "adverse"
    } else if step.answer_within.is_some() {
        "asks"
    } else if step.edges.is_empty() {
        "ends"
    } else if decides {
        "decides"
    } else {
        "plain"
    }
}
