//! Which container is asked about, and what its cgroup tells of whom to ask.

/// A container to be described.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `Container::key`: what tells it from others.
    pub(crate) key: Box<str>,
    /// Whole id, or the name a person gave it in containerd.
    pub(crate) id: Box<str>,
    /// The namespace of containerd that `id` is a name in.
    pub(crate) namespace: Option<Box<str>>,
    /// The runtime its cgroup is of, which is asked first.
    pub(crate) runtime: Option<&'static str>,
    /// The container it is in. A runtime that knows this one made it, and not what is inside.
    pub(crate) outer: Option<Box<str>>,
    /// The user whose own runtime alone is asked.
    pub(crate) user: Option<u32>,
    /// Its cgroup says it is a pod's, so a runtime is sure to know it soon.
    pub(crate) pod: bool,
}

impl Wanted {
    /// Returns the same question about the container around it.
    pub(super) fn outside(&self) -> Option<Self> {
        let id = self.outer.clone()?;
        Some(Self { key: id.clone(), id, user: self.user, pod: false, ..Self::default() })
    }
}
