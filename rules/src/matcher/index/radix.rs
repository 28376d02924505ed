//! Finds all stored texts that a value begins with, in one walk.

/// What is found where a stored text ends: a place in the list of answers.
pub(super) type Found = u32;

/// A tree of byte strings in which each edge is a run of bytes. Nodes lie in arrays: a node's
/// children are neighbours, sorted by their first byte.
#[derive(Debug, Default)]
pub(super) struct Radix {
    nodes: Box<[Node]>,
    /// The bytes of all edges.
    bytes: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The edge from the parent, in `bytes`.
    edge: u32,
    edge_bytes: u32,
    first_byte: u8,
    children: u32,
    children_count: u16,
    found: Option<Found>,
}

impl Radix {
    /// Builds the tree of texts and what is found at their ends; every text is given once.
    pub(super) fn new(mut texts: Vec<(Vec<u8>, Found)>) -> Self {
        if texts.is_empty() {
            return Self::default();
        }
        texts.sort_unstable();
        let mut builder = Builder { nodes: vec![Node::default()], bytes: Vec::new() };
        builder.grow(&texts);
        Self { nodes: builder.nodes.into(), bytes: builder.bytes.into() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Calls `found` for every stored text that `value` begins with, and how long it is.
    #[inline]
    pub(super) fn walk(&self, value: &[u8], mut found: impl FnMut(Found, usize)) {
        let Some(mut node) = self.nodes.first() else { return };
        let mut at = 0;
        loop {
            if let Some(what) = node.found {
                found(what, at);
            }
            let Some(byte) = value.get(at) else { return };
            let first = node.children as usize;
            let children = &self.nodes[first..first + usize::from(node.children_count)];
            let Some(child) = child(children, *byte) else { return };
            let edge = child.edge as usize;
            let edge = &self.bytes[edge..edge + child.edge_bytes as usize];
            let Some(rest) = value.get(at..) else { return };
            if !rest.starts_with(edge) {
                return;
            }
            at += edge.len();
            node = child;
        }
    }

    /// As [`Self::walk`] over the bytes of `value` from its end; the texts are stored so too.
    #[inline]
    pub(super) fn walk_back(&self, value: &[u8], mut found: impl FnMut(Found)) {
        let Some(mut node) = self.nodes.first() else { return };
        let mut rest = value;
        loop {
            if let Some(what) = node.found {
                found(what);
            }
            let Some(byte) = rest.last() else { return };
            let first = node.children as usize;
            let children = &self.nodes[first..first + usize::from(node.children_count)];
            let Some(child) = child(children, *byte) else { return };
            let edge = child.edge as usize;
            let edge = &self.bytes[edge..edge + child.edge_bytes as usize];
            let Some(left) = rest.len().checked_sub(edge.len()) else { return };
            if !edge.iter().eq(rest[left..].iter().rev()) {
                return;
            }
            rest = &rest[..left];
            node = child;
        }
    }
}

#[inline]
fn child(children: &[Node], byte: u8) -> Option<&Node> {
    /// More children than this are searched by halves.
    const SCAN_MAX: usize = 12;
    if children.len() <= SCAN_MAX {
        return children.iter().find(|child| child.first_byte == byte);
    }
    let place = children.binary_search_by_key(&byte, |child| child.first_byte).ok()?;
    children.get(place)
}

struct Builder {
    nodes: Vec<Node>,
    bytes: Vec<u8>,
}

/// Sorted texts that share their first `depth` bytes, below one node.
struct Open {
    node: usize,
    from: usize,
    to: usize,
    depth: usize,
}

impl Builder {
    fn grow(&mut self, texts: &[(Vec<u8>, Found)]) {
        let mut open = vec![Open { node: 0, from: 0, to: texts.len(), depth: 0 }];
        while let Some(Open { node, mut from, to, depth }) = open.pop() {
            if texts[from].0.len() == depth {
                self.nodes[node].found = Some(texts[from].1);
                from += 1;
            }
            let children = self.nodes.len();
            while from < to {
                let byte = texts[from].0[depth];
                let group = texts[from..to].partition_point(|(text, _)| text[depth] == byte);
                let (first, last) = (&texts[from].0, &texts[from + group - 1].0);
                // The texts are sorted: what the first and the last share all do.
                let shared = first.iter().zip(last).take_while(|(a, b)| a == b).count();
                let edge = self.bytes.len();
                self.bytes.extend_from_slice(&first[depth..shared]);
                self.nodes.push(Node {
                    edge: small(edge),
                    edge_bytes: small(shared - depth),
                    first_byte: byte,
                    ..Node::default()
                });
                let child = self.nodes.len() - 1;
                open.push(Open { node: child, from, to: from + group, depth: shared });
                from += group;
            }
            self.nodes[node].children = small(children);
            let count = self.nodes.len() - children;
            self.nodes[node].children_count = u16::try_from(count).unwrap_or(256);
        }
    }
}

/// A rule file is bounded far below 4 GiB.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(texts: &[&str], value: &str) -> Vec<String> {
        let numbered = texts.iter().zip(0_u32..).map(|(text, at)| (text.as_bytes().to_vec(), at));
        let tree = Radix::new(numbered.collect());
        let mut all = Vec::new();
        tree.walk(value.as_bytes(), |at, bytes| {
            assert_eq!(texts[at as usize].len(), bytes);
            all.push(texts[at as usize].to_owned());
        });
        all
    }

    #[test]
    fn every_prefix_is_found_and_nothing_else() {
        let texts = ["/etc", "/etc/", "/etc/shadow", "/e", "/usr/bin", "", "/usr/lib"];
        assert_eq!(found(&texts, "/etc/shadow-"), ["", "/e", "/etc", "/etc/", "/etc/shadow"]);
        assert_eq!(found(&texts, "/usr/li"), [""]);
        assert_eq!(found(&texts, "/usr/lib64"), ["", "/usr/lib"]);
        assert_eq!(found(&texts, ""), [""]);
        assert_eq!(found(&[], "/etc"), [""; 0]);
    }

    #[test]
    fn a_node_with_many_children_is_searched_by_halves() {
        let letters: Vec<String> = ('a'..='z').map(|letter| format!("x{letter}y")).collect();
        let texts: Vec<_> = letters.iter().map(String::as_str).collect();
        assert_eq!(found(&texts, "xqyz"), ["xqy"]);
        assert_eq!(found(&texts, "xq"), [""; 0]);
    }

    #[test]
    fn from_the_end_it_finds_suffixes() {
        let texts: [&[u8]; 4] = [b"hs.", b"hsa.", b"", b"x"];
        let tree = Radix::new(texts.iter().map(|text| text.to_vec()).zip(0..).collect());
        let mut all = Vec::new();
        tree.walk_back(b"run.bash", |at| all.push(at));
        assert_eq!(all, [2]);
        all.clear();
        tree.walk_back(b"/a.ash.sh", |at| all.push(at));
        assert_eq!(all, [2, 0]);
    }

    proptest! {
        #[test]
        fn it_finds_what_looking_at_each_text_finds(
            texts in prop::collection::btree_set("[ab\\x00é]{0,4}", 0..20),
            value in "[ab\\x00é]{0,6}",
        ) {
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let mut expected: Vec<_> =
                texts.iter().filter(|text| value.starts_with(**text)).copied().collect();
            expected.sort_unstable_by_key(|text| text.len());
            prop_assert_eq!(found(&texts, &value), expected);
        }
    }
}
