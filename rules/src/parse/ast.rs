//! The tree of a condition, with the place of each part.

use serde::Serialize;

/// A byte range in the text that was parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    /// The span begins at the `not`.
    Not(Box<Expression>, Span),
    Macro(Name),
    Check(Box<Check>),
}

#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: Box<str>,
    pub(crate) span: Span,
}

/// A field, its operator and what it is compared with.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) span: Span,
    pub(crate) left: Operand,
    pub(crate) operator: Operator,
    pub(crate) operator_span: Span,
    pub(crate) modifier: Option<Modifier>,
    pub(crate) right: Right,
}

#[derive(Clone, Debug)]
pub(crate) enum Operand {
    Field { name: Box<str>, argument: Option<Box<str>>, span: Span },
    Call { function: Function, arguments: Vec<Operand>, argument: Option<Box<str>>, span: Span },
    Literal(Literal),
    List(Vec<Operand>, Span),
}

impl Expression {
    /// Returns its place, without parentheses around the whole.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::And(children) | Self::Or(children) => match &children[..] {
                [] => Span::default(),
                [first, .., last] => Span::new(first.span().start, last.span().end),
                [only] => only.span(),
            },
            Self::Not(_, span) => *span,
            Self::Macro(name) => name.span,
            Self::Check(check) => check.span,
        }
    }
}

impl Check {
    /// Returns the place of the right side, or of the operator if there is none.
    pub(crate) const fn right_span(&self) -> Span {
        match &self.right {
            Right::Nothing => self.operator_span,
            Right::Literal(literal) => literal.span,
            Right::List(_, span) => *span,
            Right::Name(name) => name.span,
            Right::Operand(operand) => operand.span(),
        }
    }
}

impl Operand {
    pub(crate) const fn span(&self) -> Span {
        match self {
            Self::Field { span, .. } | Self::Call { span, .. } | Self::List(_, span) => *span,
            Self::Literal(literal) => literal.span,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Literal {
    pub(crate) text: Box<str>,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Right {
    Nothing,
    Literal(Literal),
    List(Vec<Literal>, Span),
    /// A name where a list is expected. Lists are pasted before anything is read, so no list has
    /// it: Falco takes the name for the only value.
    Name(Name),
    Operand(Operand),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) enum $name { $($variant,)+ }

        impl $name {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$variant,)+];

            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

words! {
    /// How a field is compared. A longer operator stands before its prefix.
    Operator {
        Exists "exists",
        LessEqual "<=",
        Less "<",
        GreaterEqual ">=",
        Greater ">",
        Equal "=",
        NotEqual "!=",
        Contains "contains",
        IContains "icontains",
        BContains "bcontains",
        StartsWith "startswith",
        BStartsWith "bstartswith",
        EndsWith "endswith",
        Glob "glob",
        IGlob "iglob",
        Regex "regex",
        Intersects "intersects",
        In "in",
        PathMatch "pmatch",
    }
}

impl Operator {
    pub(crate) const fn is_order(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual)
    }

    pub(crate) const fn takes_list(self) -> bool {
        matches!(self, Self::In | Self::Intersects | Self::PathMatch)
    }

    /// Returns whether it is a word that must be followed by a blank. The others end where they
    /// end: `in(a, b)` and even `existsand` are read as two.
    pub(crate) const fn needs_blank(self) -> bool {
        !self.takes_list()
            && !self.is_order()
            && !matches!(self, Self::Exists | Self::Equal | Self::NotEqual)
    }
}

words! {
    /// How many of a list's elements must satisfy the operator.
    Modifier {
        One "oneof",
        Any "anyof",
        All "allof",
    }
}

words! {
    /// What may be applied to a field before it is compared.
    Function {
        ToLower "tolower",
        ToUpper "toupper",
        Base64 "b64",
        BaseName "basename",
        Len "len",
        Join "join",
        Concat "concat",
        GetOpt "getopt",
    }
}
