//! Detects one document shown by two people, which means that one identity is false. The fingerprint covers type,
//! country and number. The caller that stores cases supplies earlier uses.

use super::entry::Note;
use super::opening::known_as;
use super::transition::Transition;
use crate::model::{CaseId, DocumentUse, Proof, SubjectKind};

impl Transition<'_> {
    /// Returns whether another person has shown a document of a proof; the journal names their cases. A new
    /// registration counts as another person: a deleted account proves nothing about the next one.
    pub fn document_elsewhere(&mut self, proof: &Proof) -> bool {
        self.documents.clone_from(&proof.fingerprints);
        let own: Vec<String> = self.names().into_iter().chain(self.mailbox()).collect();
        let same =
            |shown: &&DocumentUse| self.documents.contains(&shown.document) && !shown.same_person(&own);
        let mut cases: Vec<_> =
            self.context.documents.iter().filter(same).map(|shown| CaseId(shown.case.clone())).collect();
        cases.sort();
        cases.dedup();
        let elsewhere = !cases.is_empty();
        if elsewhere {
            self.note(Note::DocumentSeenBefore { cases });
        }
        elsewhere
    }

    /// Returns the document uses of this transition. An applicant has no account yet; the account created later is
    /// matched by their mailbox.
    pub fn shown(&self) -> Vec<DocumentUse> {
        let applies = self.case.subject.kind == SubjectKind::Applicant;
        let mailbox = if applies { self.mailbox() } else { None };
        let shown = |document: &String| {
            let person = self.names().into_iter().chain(mailbox.clone()).collect();
            let (case, at) = (self.case.id.0.clone(), self.now());
            DocumentUse { document: document.clone(), person, case, at }
        };
        self.documents.iter().map(shown).collect()
    }

    fn mailbox(&self) -> Option<String> {
        let email = self.case.seen.as_ref().unwrap_or(&self.case.subject).text("email")?;
        Some(self.context.links.fingerprints().mailbox(email))
    }

    /// Returns the ids that identify the person across cases. A registration gets an account and has the account's id
    /// from then on.
    fn names(&self) -> Vec<String> {
        let mut names = vec![known_as(&self.case.subject)];
        let now = self.case.seen.as_ref().map(known_as);
        names.extend(now.filter(|now| !names.contains(now)));
        names
    }
}
