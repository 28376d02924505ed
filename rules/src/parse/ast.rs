//! The tree of a condition, with the place of each part.

/// A byte range in the text that was parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    Not(Box<Expression>),
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
    Macro(Name),
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
        In "in",
        Intersects "intersects",
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
