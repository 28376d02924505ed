//! Where the values of fields come from.

/// Which events have a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventSource {
    Syscall,
    /// Audit events of the Kubernetes API server.
    Audit,
}

impl EventSource {
    /// All sources.
    pub const ALL: [Self; 2] = [Self::Syscall, Self::Audit];

    /// Returns the value of a rule's `source`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syscall => "syscall",
            Self::Audit => "k8s_audit",
        }
    }

    /// Returns the source with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

macro_rules! origins {
    ($($variant:ident $sentence:literal;)+) => {
        /// Where a value comes from.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Origin { $(#[doc = $sentence] $variant,)+ }

        impl Origin {
            /// Returns the same in a sentence.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)+ }
            }
        }
    };
}

origins! {
    Sensor "The sensor's clock and counters.";
    Order "None: the kernel leaves out what no rule wants, so that neither the first event nor the one before is known.";
    Kind "The event's kind.";
    Constant "A constant.";
    Hostname "None of an event: the alert has it as `hostname`.";
    Plugin "None: there are no plugins here.";
    Result "The result of the call, when it ends.";
    Arguments "The arguments of the call, when it ends, and the process that called.";
    OpenFlags "`file.f_flags` after an open that succeeded, the arguments of the call otherwise.";
    Path "The path in the caller's memory, joined to the directory the kernel starts from.";
    Resolved "`d_path` of the opened `file`.";
    Inode "`inode` of the opened `file`.";
    Files "None: a look at every entry of `task_struct.files` at each event.";
    Overlay "`ovl_inode` of a file on an overlay.";
    Buffer "The first bytes in the caller's memory.";
    Socket "`sock` of the descriptor.";
    Resolver "Answers of the name service, by address.";
    Poll "None: calls that wait are not reported.";
    Derived "Other fields of the event.";
    Pids "`task_struct.thread_pid` and `signal_struct.pids`.";
    Comm "`task_struct.comm`, at the last exec.";
    ExecArguments "`mm_struct.arg_start` to `arg_end`, at the last exec.";
    Environment "`mm_struct.env_start` to `env_end`, at the last exec, up to 4 KiB.";
    ExeFile "`mm_struct.exe_file`, at the last exec.";
    Cwd "`fs_struct.pwd`, at the last exec, and of calls with relative paths.";
    Terminal "`signal_struct.tty`.";
    Start "`task_struct.start_boottime`.";
    Tree "The sensor's tree of processes: exec, fork and exit events, and `/proc` at its start.";
    Streams "`files_struct`, at the last exec.";
    Usage "`mm_struct`, `signal_struct.rlim`, `files_struct` and the faults of `task_struct`, at the last exec.";
    Scheduler "None: scheduler events are not reported.";
    Threads "None: an exec ends all threads but one, and those made later are not followed.";
    Credentials "`task_struct.cred`.";
    LoginUid "`task_struct.loginuid`.";
    Users "`passwd` and `group` in `/etc`, of the container where they can be read.";
    Cgroup "The path of the process's cgroup.";
    Entered "The path of the process's cgroup at its last exec, and since.";
    Cgroups "None: a path for each of some fourteen subsystems at each exec.";
    Namespace "`start_boottime` of the first process in the pid namespace.";
    Runtime "The container runtime: by CRI, or containerd's, Docker's or Podman's own interface.";
    RuntimeMounts "The mounts in the container runtime's status or specification of the container.";
    RuntimeVerbose "The container runtime's verbose status of the container or its pod.";
    PodLabels "The container runtime's status of the pod's sandbox, or the labels the kubelet gives containers.";
    ApiServer "The Kubernetes API; Falco deprecates the field.";
    Enforcement "`agent.enforce`: the probe as the program starts, the agent after a match.";
    Syslog "None: plain writes are not reported.";
    Audit "The audit event of the Kubernetes API server.";
}
