//! The kinds of values, in which the tables are written.

/// A kind of value.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text with `${...}` in it.
    Template,
    /// lower-case-with-dashes or lower_case_with_underscores.
    Name,
    /// An e-mail address.
    Mail,
    /// An e-mail address, or `team:name`.
    Owner,
    /// `30m`, `12h`, `14d`, `2bd`. `zero`: whether a bare `0` is allowed.
    Span {
        zero: bool,
    },
    /// A quoted time of day.
    Time,
    /// A date and a time, in UTC or with its offset.
    Moment,
    /// A quoted range of times, `"09:00-17:00"`.
    Hours,
    Timezone,
    Integer {
        least: i64,
        most: i64,
    },
    /// A count, or a percentage such as `2%`.
    Amount,
    Boolean,
    /// Only `true` has a meaning here.
    True,
    OneOf(&'static [&'static str]),
    /// A name of the vendor, which may be a number.
    Label,
    /// An event type.
    Event,
    /// The call of a Rhai function, `file::name(arguments)`.
    FunctionCall,
    /// Clauses: one, a list, or `any:`, `all:`, `none:`.
    Condition,
    /// Any JSON value.
    Any,
    Shape(&'static Shape),
    List(&'static Kind),
    /// One value, or a list of them.
    OneOrMany(&'static Kind),
    /// Names to values.
    MapOf(&'static Kind),
    /// A list of steps.
    Steps,
    /// One trigger.
    Trigger,
}

/// A map with known keys.
#[derive(Debug)]
pub struct Shape {
    pub what: &'static str,
    pub keys: &'static [Key],
}

impl Shape {
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A kind of named thing, in the tree or in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    Policy,
    Block,
    Step,
    Setting,
    /// `file::name`.
    Function,
    Template,
    Verification,
    Team,
    Queue,
    Calendar,
    /// An identity provider.
    Source,
    /// A verification provider.
    Provider,
    Endpoint,
    System,
}

impl NameKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Block => "block",
            Self::Step => "step",
            Self::Setting => "setting",
            Self::Function => "function",
            Self::Template => "template",
            Self::Verification => "verification",
            Self::Team => "team",
            Self::Queue => "queue",
            Self::Calendar => "calendar",
            Self::Source => "identity provider",
            Self::Provider => "provider",
            Self::Endpoint => "endpoint",
            Self::System => "system",
        }
    }
}

/// What the texts under a key name, or the keys if the value is a map. Checks of names, completion and
/// go-to-definition derive from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// The text defines the name.
    Gives(NameKind),
    /// The text refers to a name that is defined elsewhere.
    Of(NameKind),
    /// `subject`, `manager`, `team:name`.
    Recipient,
    /// An address, or `team:name`.
    Owner,
    /// `template`, or `template to recipient`.
    Mail,
    /// A path to a value, such as `steps.proof.reasons`.
    Path,
}

/// One key of a shape.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub names: Option<Names>,
    pub required: bool,
    /// One sentence for editors.
    pub doc: &'static str,
    /// False: the key is checked, and then refused as not executed by this version.
    pub executed: bool,
}

impl Key {
    pub const fn must(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, names: None, required: true, doc, executed: true }
    }

    pub const fn may(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, names: None, required: false, doc, executed: true }
    }

    /// Sets what its texts name.
    #[must_use]
    pub const fn naming(self, names: Names) -> Self {
        Self { names: Some(names), ..self }
    }

    /// Marks its texts as references to names that are defined elsewhere.
    #[must_use]
    pub const fn of(self, thing: NameKind) -> Self {
        self.naming(Names::Of(thing))
    }

    /// Marks its texts as definitions of names.
    #[must_use]
    pub const fn gives(self, thing: NameKind) -> Self {
        self.naming(Names::Gives(thing))
    }

    /// Marks the key as part of the language, but not executed yet.
    #[must_use]
    pub const fn later(self) -> Self {
        Self { executed: false, ..self }
    }
}

impl Kind {
    /// Returns the expected kind, as worded in an error.
    pub fn expected(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Template => "text, which may contain `${...}`".to_owned(),
            Self::Name => "a name in lower case, such as `id-and-selfie` or `desk_review`".to_owned(),
            Self::Mail => "a mail address".to_owned(),
            Self::Owner => "a mail address, or a team such as team:identity-desk".to_owned(),
            Self::Span { .. } => "a number with a unit, such as 30m, 12h, 14d, 2w, 1y or 2bd".to_owned(),
            Self::Time => "a time of day in quotes, such as \"02:00\"".to_owned(),
            Self::Moment => "a day and a time in quotes, such as \"2026-01-05T09:00:00Z\"".to_owned(),
            Self::Hours => "hours in quotes, such as \"09:00-17:00\"".to_owned(),
            Self::Timezone => "a timezone, such as Europe/Berlin".to_owned(),
            Self::Integer { least, most } if least == most => least.to_string(),
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::Amount => "a count such as 50, or a share such as 2%".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::True => "`true`".to_owned(),
            Self::OneOf(words) => match words {
                [one] => format!("`{one}`"),
                _ => format!("one of {}", words.join(", ")),
            },
            Self::Label => "a name or a number".to_owned(),
            Self::Event => "an event type, such as registration.created".to_owned(),
            Self::FunctionCall => "a call such as `rejections::sort(steps.proof.reasons)`".to_owned(),
            Self::Condition => "a clause, a list of clauses, or `any:`, `all:`, `none:`".to_owned(),
            Self::Any => "a value".to_owned(),
            Self::Shape(shape) => format!("{} with keys", shape.what),
            Self::List(of) => format!("a list, each item {}", of.expected()),
            Self::OneOrMany(of) => format!("{}, or a list of them", of.expected()),
            Self::MapOf(_) => "names with a value each".to_owned(),
            Self::Steps => "a list of steps, each with one verb".to_owned(),
            Self::Trigger => "`event:`, `sweep:` or `manual: true`".to_owned(),
        }
    }
}
