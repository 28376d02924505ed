//! Gives a parsed condition its types and joins it into the graph.

use alert::{ArgumentRule, Field, FieldError, Type};
use ipnet::IpNet;

use super::{
    AlertField, Graph, Leaf, Literal, Machine, NodeId, Predicate, Term, Test, nearest,
    nearest_field,
};
use crate::parse::{
    Check, Dialect, Expression, Fault, Function, Literal as Written, Modifier, NESTING_MAX, Name,
    Operand, Operator, Right, Span,
};

/// Finds the condition behind a macro's name.
pub(crate) trait Macros {
    /// `depth` says how deep the name stands, so that the resolver goes on counting.
    fn resolve(&mut self, graph: &mut Graph, name: &Name, depth: usize) -> Result<NodeId, Remark>;
}

/// What is noted about a condition.
#[derive(Debug)]
pub(crate) enum Remark {
    Error(Fault),
    /// The name of a field that does not exist.
    UnknownField(Fault),
    /// The name of a macro that has errors of its own, all of which may be for unknown names.
    Macro {
        name: Name,
        unknown: bool,
    },
    Deprecated(Fault),
    Suspicious(Fault),
}

impl Remark {
    pub(crate) const fn is_error(&self) -> bool {
        matches!(self, Self::Error(_) | Self::UnknownField(_) | Self::Macro { .. })
    }

    /// Returns whether a version that knows more names might have no error here.
    pub(crate) const fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownField(_) | Self::Macro { unknown: true, .. })
    }

    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Macro { name, .. } => {
                Fault::new(name.span, format!("the macro `{}` has errors of its own", name.text))
            }
            Self::Error(fault)
            | Self::UnknownField(fault)
            | Self::Deprecated(fault)
            | Self::Suspicious(fault) => fault,
        }
    }
}

pub(crate) struct Compiler<'a> {
    pub(crate) graph: &'a mut Graph,
    pub(crate) dialect: Dialect,
    pub(crate) macros: &'a mut dyn Macros,
    pub(crate) remarks: Vec<Remark>,
    /// How deep the expression stands, macros counted.
    pub(crate) depth: usize,
}

impl Compiler<'_> {
    /// Returns the condition's node, or `None` if a remark says why there is none.
    pub(crate) fn expression(&mut self, expression: &Expression) -> Option<NodeId> {
        self.depth += 1;
        let node = self.node(expression);
        self.depth -= 1;
        let too_deep = |node: NodeId| self.graph.depth(node) as usize > NESTING_MAX;
        if node.is_some_and(too_deep) || self.depth >= NESTING_MAX {
            let message = format!("conditions and macros nest deeper than {NESTING_MAX}");
            self.remarks.push(Remark::Error(Fault::new(Span::default(), message)));
            return None;
        }
        node
    }

    fn node(&mut self, expression: &Expression) -> Option<NodeId> {
        if self.depth >= NESTING_MAX {
            return None;
        }
        let node = match expression {
            Expression::And(children) => {
                let children = self.children(children)?;
                self.graph.and(&children)
            }
            Expression::Or(children) => {
                let children = self.children(children)?;
                self.graph.or(&children)
            }
            Expression::Not(child, _) => {
                let child = self.expression(child)?;
                self.graph.not(child)
            }
            Expression::Macro(name) => match self.macros.resolve(self.graph, name, self.depth) {
                Ok(node) => node,
                Err(remark) => {
                    self.remarks.push(remark);
                    return None;
                }
            },
            Expression::Check(check) => match self.check(check) {
                Ok(node) => node,
                Err(remark) => {
                    self.remarks.push(remark);
                    return None;
                }
            },
        };
        Some(node)
    }

    /// Looks at all children, so that all their faults are told.
    fn children(&mut self, children: &[Expression]) -> Option<Vec<NodeId>> {
        let nodes: Vec<_> = children.iter().map(|child| self.expression(child)).collect();
        nodes.into_iter().collect()
    }

    fn check(&mut self, check: &Check) -> Result<NodeId, Remark> {
        let term = self.term(&check.left)?;
        self.operator_fits(check, &term).map_err(Remark::Error)?;
        let value_type = match (self.dialect, term.value_type()) {
            // Only Falco's fields wrap: `score > -1` is what it says.
            (Dialect::Alerts, Type::Unsigned) => Type::Signed,
            (_, value_type) => value_type,
        };
        let literal = |written: &Written| read(written, value_type).map_err(Remark::Error);
        let test = match (&check.right, check.operator) {
            (Right::Nothing, _) => Test::Exists,
            (Right::Name(name), _) => {
                let fault = Fault::new(name.span, format!("unknown list `{}`", name.text));
                let hint = format!("a list stands in parentheses: `({})`", name.text);
                return Err(Remark::Error(fault.hint(hint)));
            }
            (Right::Operand(operand), operator) => {
                self.other_side(check, &term, operand, operator)?
            }
            (Right::List(items, _), operator) => match (check.modifier, operator) {
                (Some(modifier), operator) => {
                    Self::modified(modifier, operator, value_type, items).map_err(Remark::Error)?
                }
                (None, Operator::PathMatch) => {
                    Test::PathMatch(items.iter().map(|item| item.text.clone()).collect())
                }
                (None, operator) => {
                    let mut seen = hashbrown::HashSet::new();
                    let mut values = Vec::with_capacity(items.len());
                    for item in items {
                        let value = literal(item)?;
                        if seen.insert(value.clone()) {
                            values.push(value);
                        }
                    }
                    match operator {
                        Operator::In => Test::In(values.into()),
                        _ => Test::Intersects(values.into()),
                    }
                }
            },
            (Right::Literal(written), operator) => {
                self.look_at(written);
                match operator {
                    Operator::Equal => Test::Equal(literal(written)?),
                    Operator::NotEqual => Test::NotEqual(literal(written)?),
                    operator if operator.is_order() => Test::Order(operator, literal(written)?),
                    operator => Test::Text(operator, written.text.clone()),
                }
            }
        };
        let machine = Machine::new(&test).map_err(|reason| {
            let span = match &check.right {
                Right::Literal(literal) => literal.span,
                Right::List(_, span) => *span,
                _ => check.operator_span,
            };
            Remark::Error(Fault::new(span, reason))
        })?;
        Ok(self.graph.predicate(Predicate { term, test }, machine))
    }

    fn modified(
        modifier: Modifier,
        operator: Operator,
        value_type: Type,
        items: &[Written],
    ) -> Result<Test, Fault> {
        let wanted: Result<Box<_>, _> = items.iter().map(|item| read(item, value_type)).collect();
        Ok(Test::Modified(modifier, operator, wanted?))
    }

    fn other_side(
        &mut self,
        check: &Check,
        term: &Term,
        operand: &Operand,
        operator: Operator,
    ) -> Result<Test, Remark> {
        let error = |span, message: String| Err(Remark::Error(Fault::new(span, message)));
        let right = self.term(operand)?;
        if matches!(operator, Operator::PathMatch | Operator::Regex) {
            let message = format!("`{}` does not compare two fields", operator.word());
            return error(check.operator_span, message);
        }
        for (side, span) in [(term, check.left.span()), (&right, operand.span())] {
            if let Term::Leaf(Leaf::Event(field, argument)) = side {
                let either = field.argument() == ArgumentRule::Ancestor
                    || field.yields_list(argument)
                    || matches!(field.value_type(), Type::Net)
                    || *field == Field::EvtType;
                if either {
                    let message = format!("`{}` cannot be compared with a field", field.name());
                    return error(span, message);
                }
            }
        }
        let kind = |term: &Term| match term.value_type() {
            Type::Path => Type::Text,
            other => other,
        };
        let any = kind(term) == Type::Any || kind(&right) == Type::Any;
        if !any && kind(term) != kind(&right) {
            let message = format!(
                "{} cannot be compared with {}",
                type_name(term.value_type()),
                type_name(right.value_type())
            );
            return error(operand.span(), message);
        }
        Ok(Test::Term(operator, right))
    }

    fn operator_fits(&self, check: &Check, term: &Term) -> Result<(), Fault> {
        use Operator as O;
        let operator = check.operator;
        let common = matches!(operator, O::Exists | O::Equal | O::NotEqual | O::In | O::Intersects);
        let fits = match term.value_type() {
            Type::Any => true,
            Type::Text | Type::Path => !matches!(operator, O::BContains | O::BStartsWith),
            Type::Bytes => {
                common
                    || matches!(
                        operator,
                        O::Contains | O::StartsWith | O::EndsWith | O::BContains | O::BStartsWith
                    )
            }
            Type::Signed | Type::Unsigned | Type::Port | Type::Priority => {
                common || operator.is_order()
            }
            Type::Bool | Type::Ip | Type::Net => common,
        };
        if fits {
            return Ok(());
        }
        let left = check.left.span();
        let message =
            format!("`{}` cannot be used on {}", operator.word(), type_name(term.value_type()));
        Err(Fault::new(Span::new(left.start, check.operator_span.end), message))
    }

    pub(crate) fn term(&mut self, operand: &Operand) -> Result<Term, Remark> {
        match operand {
            Operand::Field { name, argument, span } => self.field(name, argument.as_deref(), *span),
            Operand::Literal(literal) => Ok(Term::Constant(literal.text.clone())),
            Operand::List(items, _) => {
                let terms: Result<Vec<_>, _> = items.iter().map(|item| self.term(item)).collect();
                Ok(Term::List(terms?.into()))
            }
            Operand::Call { function: Function::GetOpt, arguments, argument, span } => {
                self.getopt(arguments, argument.as_deref(), *span)
            }
            Operand::Call { function, arguments, span, .. } => {
                self.call(*function, arguments, *span)
            }
        }
    }

    fn call(
        &mut self,
        function: Function,
        arguments: &[Operand],
        span: Span,
    ) -> Result<Term, Remark> {
        let error = |message: String| Err(Remark::Error(Fault::new(span, message)));
        let terms: Result<Vec<_>, _> = arguments.iter().map(|item| self.term(item)).collect();
        let terms = terms?;
        let text = |term: &Term| matches!(term.value_type(), Type::Text | Type::Path | Type::Any);
        let bytes = |term: &Term| term.value_type() == Type::Bytes;
        let fits = match function {
            Function::Join => terms.len() == 2 && terms[1].is_list(),
            Function::Concat => terms.len() >= 2,
            Function::Len => {
                terms.len() == 1 && (terms[0].is_list() || text(&terms[0]) || bytes(&terms[0]))
            }
            Function::Base64 if terms.len() == 1 && bytes(&terms[0]) => true,
            _ => terms.len() == 1 && text(&terms[0]) && !matches!(terms[0], Term::Constant(_)),
        };
        if !fits {
            let wanted = match function {
                Function::Join => "a separator and a list",
                Function::Concat => "two texts or more",
                Function::Len => "one text or list",
                _ => "one text field",
            };
            return error(format!("`{}` takes {wanted}", function.word()));
        }
        Ok(Term::Call(function, terms.into()))
    }

    fn getopt(
        &mut self,
        arguments: &[Operand],
        selected: Option<&str>,
        span: Span,
    ) -> Result<Term, Remark> {
        let error = |message: &str| Err(Remark::Error(Fault::new(span, message)));
        let terms: Result<Vec<_>, _> = arguments.iter().map(|item| self.term(item)).collect();
        let mut terms = terms?;
        let fits = matches!(&terms[..], [list, options] if list.is_list() && !options.is_list());
        if !fits {
            return error("`getopt` takes a list and the letters of the options");
        }
        if let Some(selected) = selected {
            if selected.chars().count() != 1 {
                return error("in brackets behind `getopt` stands the letter of one option");
            }
            terms.push(Term::Constant(selected.into()));
        }
        Ok(Term::Call(Function::GetOpt, terms.into()))
    }

    fn field(&mut self, name: &str, argument: Option<&str>, span: Span) -> Result<Term, Remark> {
        if self.dialect == Dialect::Alerts {
            let argument = argument.map(|argument| format!("[{argument}]")).unwrap_or_default();
            return Ok(Term::Leaf(Leaf::Alert(AlertField::from_name(&format!(
                "{name}{argument}"
            )))));
        }
        match Field::resolve(name, argument) {
            Ok((field, argument)) => {
                if field == Field::EvtDir {
                    let fault = Fault::new(span, "`evt.dir` is always `<` and is deprecated");
                    self.remarks.push(Remark::Deprecated(fault));
                }
                Ok(Term::Leaf(Leaf::Event(field, argument)))
            }
            Err(error) => {
                let unknown = matches!(error, FieldError::Unknown(_) | FieldError::OtherSource(..));
                let mut fault = Fault::new(span, error.to_string());
                if let Some(near) =
                    nearest_field(name).filter(|_| matches!(error, FieldError::Unknown(_)))
                {
                    fault = fault.hint(format!("did you mean `{near}`?"));
                }
                Err(if unknown { Remark::UnknownField(fault) } else { Remark::Error(fault) })
            }
        }
    }

    /// A value that looks like a field is compared as text, which is seldom meant.
    fn look_at(&mut self, written: &Written) {
        if self.dialect == Dialect::Events && Field::resolve(&written.text, None).is_ok() {
            let message = format!("`{}` is compared as text, not as a field", written.text);
            let hint = format!("to compare two fields write `val({})`", written.text);
            self.remarks.push(Remark::Suspicious(Fault::new(written.span, message).hint(hint)));
        }
    }
}

const fn type_name(value_type: Type) -> &'static str {
    match value_type {
        Type::Bool => "a truth value",
        Type::Signed | Type::Unsigned => "a number",
        Type::Text => "a text",
        Type::Path => "a path",
        Type::Bytes => "bytes",
        Type::Ip => "an address",
        Type::Net => "a network",
        Type::Port => "a port",
        Type::Priority => "a priority",
        Type::Any => "a value",
    }
}

fn read(written: &Written, value_type: Type) -> Result<Literal, Fault> {
    let text = &*written.text;
    let shown: String = text.chars().take(40).collect();
    let expected =
        |what: &str| Err(Fault::new(written.span, format!("expected {what}, found `{shown}`")));
    Ok(match value_type {
        Type::Text | Type::Path | Type::Bytes => Literal::Text(text.into()),
        Type::Any => Literal::Any(text.into()),
        Type::Bool => match text {
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            _ => return expected("`true` or `false`"),
        },
        Type::Signed => match text.parse::<i64>() {
            Ok(number) => Literal::Number(number.into()),
            Err(_) => return expected("a decimal number"),
        },
        Type::Unsigned => match (text.parse::<u64>(), text.parse::<i32>()) {
            (Ok(number), _) => Literal::Number(number.into()),
            // As in Falco a negative number wraps: `user.uid = -1` is 4294967295.
            (_, Ok(number)) => Literal::Number(number.cast_unsigned().into()),
            _ => return expected("a decimal number that is not negative"),
        },
        Type::Port => match text.parse::<u16>().ok().or_else(|| service(text)) {
            Some(port) => Literal::Number(port.into()),
            None => return expected("a port from 0 to 65535 or the name of a service"),
        },
        Type::Ip => match text.parse() {
            Ok(ip) => Literal::Ip(ip),
            Err(_) => return expected("an IP address"),
        },
        Type::Net => match (text.parse::<IpNet>(), text.parse::<std::net::Ipv6Addr>()) {
            (Ok(net), _) => Literal::Net(net),
            (_, Ok(ip)) => Literal::Net(IpNet::from(std::net::IpAddr::V6(ip))),
            _ => return expected("a network such as `10.0.0.0/8`"),
        },
        Type::Priority => match text.parse() {
            Ok(priority) => Literal::Priority(priority),
            Err(_) => {
                let names = alert::Priority::ALL.map(alert::Priority::name);
                let fault = Fault::new(written.span, "expected a priority");
                let lower: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
                let (text, mut names) =
                    (text.to_ascii_lowercase(), lower.iter().map(|name| &**name));
                let begun = names.clone().find(|name| text.len() > 1 && name.starts_with(&text));
                let near = begun.or_else(|| nearest(&text, &mut names));
                return Err(match near {
                    Some(near) => fault.hint(format!("did you mean `{near}`?")),
                    None => fault.hint(format!("the priorities are {}", lower.join(" "))),
                });
            }
        },
    })
}

/// Names from the IANA registry that rules use.
fn service(name: &str) -> Option<u16> {
    const SERVICES: [(&str, u16); 24] = [
        ("ftp", 21),
        ("ssh", 22),
        ("telnet", 23),
        ("smtp", 25),
        ("domain", 53),
        ("http", 80),
        ("kerberos", 88),
        ("pop3", 110),
        ("ntp", 123),
        ("imap2", 143),
        ("snmp", 161),
        ("bgp", 179),
        ("ldap", 389),
        ("https", 443),
        ("microsoft-ds", 445),
        ("syslog", 514),
        ("submission", 587),
        ("ldaps", 636),
        ("imaps", 993),
        ("pop3s", 995),
        ("ms-sql-s", 1433),
        ("mysql", 3306),
        ("postgresql", 5432),
        ("redis", 6379),
    ];
    SERVICES.into_iter().find(|(known, _)| *known == name).map(|(_, port)| port)
}

impl Leaf {
    /// Returns whether its value keeps from one exec to the next.
    pub(crate) const fn is_process_state(&self) -> bool {
        matches!(self, Self::Event(field, _) if field.is_process_state())
    }
}
