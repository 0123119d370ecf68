//! Checks that names in a policy resolve. The grammar defines what each key names, which covers new keys as well.

use super::chain::Build;
use crate::model::SubjectKind;
use crate::policy::diagnostic::{Diagnostic, Place, nearest};
use crate::policy::grammar::{self, Kind, NameKind, Names, Site};
use crate::policy::script::StepShape;
use crate::policy::source::Node;

impl Build<'_> {
    /// Checks every name in the policy and in the shared blocks that it reaches.
    pub fn names(&mut self, policy: &Node) {
        let mut found = Vec::new();
        let mut note = |site: Site<'_>| {
            if let Site::Text { names, node, .. } = site {
                found.push((names, node.clone()));
            }
        };
        grammar::visit(policy, &Kind::Shape(&grammar::POLICY), &mut note);
        for block in self.blocks.values().filter(|block| block.shared) {
            grammar::visit(&block.steps, &Kind::Steps, &mut note);
        }
        for (names, node) in found {
            self.name(names, &node);
        }
    }

    fn name(&mut self, names: Names, node: &Node) {
        let Some(text) = node.text() else { return };
        match names {
            Names::Of(thing) => self.thing(thing, text, &node.place),
            Names::Recipient => self.recipient(text, &node.place),
            Names::Owner => {
                if let Some(team) = text.strip_prefix("team:") {
                    self.thing(NameKind::Team, team, &node.place);
                }
            }
            Names::Path => self.shown(text, &node.place),
            Names::Gives(_) | Names::Mail => {}
        }
    }

    fn thing(&mut self, thing: NameKind, name: &str, place: &Place) {
        let (shared, known) = (self.shared, self.known);
        match thing {
            NameKind::Verification => {
                shared.verifications.find(name, place, self.reports());
            }
            NameKind::Queue => {
                shared.queues.find(name, place, self.reports());
            }
            NameKind::Team => {
                shared.teams.find(name, place, self.reports());
            }
            NameKind::Calendar => {
                shared.calendars.find(name, place, self.reports());
            }
            NameKind::Template => self.template(name, place),
            NameKind::Source | NameKind::Provider | NameKind::Endpoint | NameKind::System => {
                let Some(names) = known.names(thing).filter(|names| !names.contains(&name)) else { return };
                let provides = matches!(thing, NameKind::Source | NameKind::Provider);
                let code = if provides { "unknown-provider" } else { "unknown-name" };
                let message = format!("proofd.yaml has no {} `{name}`", thing.word());
                self.report(Diagnostic::error(place.clone(), code, message).help(nearest(name, names)));
            }
            // Blocks and steps are resolved when the policy is assembled, the others when scripts are compiled.
            NameKind::Policy | NameKind::Block | NameKind::Step | NameKind::Setting | NameKind::Function => {}
        }
    }

    fn recipient(&mut self, text: &str, place: &Place) {
        let (code, message, help) = match (text, text.strip_prefix("team:")) {
            ("subject", _) => return,
            ("manager", _) if self.subject == Some(SubjectKind::User) => return,
            ("manager", _) => {
                ("no-manager", "only users have a manager".to_owned(), "name a team".to_owned())
            }
            (_, Some(team)) => return self.thing(NameKind::Team, team, place),
            (_, None) => {
                let help = match self.shared.teams.contains(text) {
                    true => format!("did you mean `team:{text}`?"),
                    false => nearest(text, ["subject", "manager", "team:<name>"]),
                };
                ("unknown-recipient", format!("unknown recipient `{text}`"), help)
            }
        };
        self.report(Diagnostic::error(place.clone(), code, message).help(help));
    }

    /// Checks that a mail template exists.
    pub fn template(&mut self, name: &str, place: &Place) {
        if self.layout.templates.contains_key(name) {
            self.templates.insert(name.to_owned());
            return;
        }
        let message = format!("unknown template `{name}`");
        let near = nearest(name, self.layout.templates.keys().copied());
        let help = format!("{near}; a template is a file shared/templates/{name}/<language>.md");
        self.report(Diagnostic::error(place.clone(), "unknown-template", message).help(help));
    }

    /// Checks a path that a reviewer is shown.
    fn shown(&mut self, path: &str, place: &Place) {
        const VERIFIED: &[&str] =
            &["outcome", "reasons", "score", "checks", "document", "mismatches", "completed_at", "images"];
        const DECIDED: &[&str] = &["decision", "reason", "by", "at"];
        let mut parts = path.split('.');
        let root = parts.next().unwrap_or_default();
        let subject = self.subject.map_or("user", SubjectKind::word);
        let error = if root == "steps" {
            let id = parts.next().unwrap_or_default();
            let shape = self.ids.iter().find(|(other, _)| other == id).map(|(_, shape)| *shape);
            let fields: &[&str] = match shape {
                Some(StepShape::Verify) => VERIFIED,
                Some(StepShape::Review) => DECIDED,
                Some(StepShape::Call) => &["status", "body"],
                Some(StepShape::Other | StepShape::Unknown) | None => &[],
            };
            match (shape, parts.next()) {
                (Some(StepShape::Unknown), _) => None,
                (None, _) => {
                    let names = self.ids.iter().map(|(name, _)| name.as_str());
                    Some((format!("no step has the id `{id}`"), nearest(id, names)))
                }
                (Some(_), Some(field)) if !fields.contains(&field) => {
                    let message = format!("the step `{id}` has no result `{field}`");
                    Some((message, nearest(field, fields.iter().copied())))
                }
                (Some(_), Some(_) | None) => None,
            }
        } else {
            let roots = [subject, "event", "settings", "this_case", "steps"];
            let message = || format!("unknown name `{root}`");
            (!roots.contains(&root)).then(|| (message(), nearest(root, roots)))
        };
        if let Some((message, help)) = error {
            self.report(Diagnostic::error(place.clone(), "unknown-path", message).help(help));
        }
    }
}
