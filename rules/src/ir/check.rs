//! Gives a parsed condition its types and joins it into the graph.

use alert::{EventSource, Field, Type};

use super::{
    Graph, Leaf, Literal, Machine, NodeId, Predicate, Term, Test,
    fit::operator_fits,
    literal::{Kind, read},
    suspicion,
};
use crate::parse::{
    Check, Dialect, Expression, Fault, Literal as Written, NESTING_MAX, Name, Operator, Right,
};

/// Faults told of one list of values.
const LIST_FAULTS_MAX: usize = 20;

/// Finds the condition behind a macro's name.
pub(crate) trait Macros {
    /// `depth` says how deep the name stands, so that the resolver goes on counting.
    fn resolve(&mut self, graph: &mut Graph, name: &Name, depth: usize) -> Result<NodeId, Remark>;
}

/// What is noted about a condition.
#[derive(Debug)]
pub(crate) enum Remark {
    Error(Fault),
    /// The name of a field or an event that does not exist.
    Unknown(Fault),
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
        matches!(self, Self::Error(_) | Self::Unknown(_) | Self::Macro { .. })
    }

    /// Returns whether a version that knows more names might have no error here.
    pub(crate) const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Macro { unknown: true, .. })
    }

    pub(crate) fn into_fault(self) -> Fault {
        match self {
            Self::Macro { name, .. } => {
                Fault::new(name.span, format!("the macro `{}` has errors of its own", name.text))
            }
            Self::Error(fault)
            | Self::Unknown(fault)
            | Self::Deprecated(fault)
            | Self::Suspicious(fault) => fault,
        }
    }
}

impl From<Fault> for Remark {
    fn from(fault: Fault) -> Self {
        Self::Error(fault)
    }
}

pub(crate) struct Compiler<'a> {
    pub(crate) graph: &'a mut Graph,
    pub(crate) dialect: Dialect,
    /// Whose fields events have.
    pub(crate) source: EventSource,
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
            self.remarks.push(Fault::new(expression.span(), message).into());
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
                return Some(self.graph.and(&children));
            }
            Expression::Or(children) => {
                let children = self.children(children)?;
                return Some(self.graph.or(&children));
            }
            Expression::Not(child, _) => {
                let child = self.expression(child)?;
                return Some(self.graph.not(child));
            }
            Expression::Macro(name) => self.macros.resolve(self.graph, name, self.depth),
            Expression::Check(check) => self.check(check),
        };
        node.map_err(|remark| self.remarks.push(remark)).ok()
    }

    /// Looks at all children, so that all their faults are told.
    fn children(&mut self, children: &[Expression]) -> Option<Vec<NodeId>> {
        let nodes: Vec<_> = children.iter().map(|child| self.expression(child)).collect();
        nodes.into_iter().collect()
    }

    fn check(&mut self, check: &Check) -> Result<NodeId, Remark> {
        let term = self.term(&check.left)?;
        operator_fits(check, &term)?;
        let operator = check.operator;
        let test = match &check.right {
            Right::Nothing => Test::Exists,
            Right::Operand(operand) => {
                Test::Term(operator, self.other_side(check, &term, operand)?)
            }
            Right::List(items, _) => return self.list(check, term, items),
            Right::Name(name) => {
                let item = self.only_item(name)?;
                return self.list(check, term, &[item]);
            }
            Right::Literal(written) => {
                let literal = self.value(written, operator, &term)?;
                single(operator, literal, written)
            }
        };
        self.predicate(check, term, test)
    }

    fn predicate(&mut self, check: &Check, term: Term, test: Test) -> Result<NodeId, Remark> {
        let span = check.right_span();
        let machine = Machine::new(&test).map_err(|reason| Fault::new(span, reason))?;
        Ok(self.graph.predicate(Predicate { term, test }, machine))
    }

    /// A name where a list is expected.
    fn only_item(&mut self, name: &Name) -> Result<Written, Remark> {
        let fault = Fault::new(name.span, format!("there is no list `{}`", name.text));
        if self.dialect == Dialect::Alerts {
            let hint = format!("values stand in parentheses: `({})`", name.text);
            return Err(fault.hint(hint).into());
        }
        let hint = format!("as in Falco it is the only value; write `({})` if it is", name.text);
        self.remarks.push(Remark::Suspicious(fault.hint(hint)));
        Ok(Written { text: name.text.clone(), span: name.span })
    }

    fn list(&mut self, check: &Check, term: Term, items: &[Written]) -> Result<NodeId, Remark> {
        let values = self.values(items, check.operator, &term)?;
        let test = match (check.modifier, check.operator) {
            (Some(modifier), operator) => Test::Modified(modifier, operator, values.into()),
            (None, Operator::PathMatch) => {
                Test::PathMatch(items.iter().map(|item| item.text.clone()).collect())
            }
            (None, operator) => {
                let mut seen = hashbrown::HashSet::with_capacity(values.len());
                let kept = values.into_iter().filter(|value| seen.insert(value.clone())).collect();
                match operator {
                    Operator::In => Test::In(kept),
                    _ => Test::Intersects(kept),
                }
            }
        };
        self.predicate(check, term, test)
    }

    /// Reads all values of a list, so that all their faults are told.
    fn values(
        &mut self,
        items: &[Written],
        operator: Operator,
        term: &Term,
    ) -> Result<Vec<Literal>, Remark> {
        let mut values = Vec::with_capacity(items.len());
        let mut remarks = Vec::new();
        for item in items {
            match self.value(item, operator, term) {
                Ok(value) => values.push(value),
                Err(remark) => remarks.push(remark),
            }
            if remarks.len() == LIST_FAULTS_MAX {
                break;
            }
        }
        match remarks.pop() {
            Some(last) => {
                self.remarks.append(&mut remarks);
                Err(last)
            }
            None => Ok(values),
        }
    }

    fn value(
        &mut self,
        written: &Written,
        operator: Operator,
        term: &Term,
    ) -> Result<Literal, Remark> {
        if self.dialect == Dialect::Events {
            self.remarks.extend(suspicion::of(written, operator).map(Remark::Suspicious));
        }
        let mut kind = Kind::of(term);
        // Only Falco's fields wrap: of alerts `score > -1` is what it says.
        if self.dialect == Dialect::Alerts && kind.value_type == Type::Unsigned {
            kind.value_type = Type::Signed;
        }
        let reading = read(written, kind)?;
        self.remarks.extend(reading.oddity.map(Remark::Suspicious));
        let asks_type = matches!(term, Term::Leaf(Leaf::Event(Field::EvtType, _)));
        if asks_type && operator.compares_whole() && !alert::event_name_is_known(&written.text) {
            return Err(Remark::Unknown(suspicion::unknown_event(written)));
        }
        suspicion::pattern(written, operator)?;
        Ok(reading.literal)
    }
}

/// Returns the test of a value that is no list.
fn single(operator: Operator, literal: Literal, written: &Written) -> Test {
    match operator {
        Operator::Equal => Test::Equal(literal),
        Operator::NotEqual => Test::NotEqual(literal),
        operator if operator.is_order() => Test::Order(operator, literal),
        operator => Test::Text(operator, written.text.clone()),
    }
}
