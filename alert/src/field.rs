//! The names by which rules read an event: Falco's field names, plus a few of our own.

use std::fmt;

/// How a field's values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Bool,
    Signed,
    Unsigned,
    Text,
    /// Text compared component-wise by `pmatch`.
    Path,
    /// Data as it was read or written.
    Bytes,
    Ip,
    /// An address tested against CIDR blocks.
    Net,
    /// An unsigned number for which a service name may stand.
    Port,
    Priority,
    /// A field of a received alert: its type is that of the literal it is compared with.
    Any,
}

/// Which bracketed argument a field takes, as in `proc.aname[2]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentRule {
    None,
    /// A number, or nothing for "any of them": the ancestor families.
    Ancestor,
    /// A name or an index: `evt.arg.flags`, `evt.arg[0]`.
    Required,
    /// A name, or nothing for all of it: `proc.env[HOME]`.
    Optional,
}

/// The bracketed argument as given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Argument {
    #[default]
    None,
    Index(u32),
    Key(Box<str>),
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// Why a text names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("unknown field `{0}`")]
    Unknown(String),
    #[error("field `{0}` needs an argument, for example `{0}[1]`")]
    ArgumentMissing(&'static str),
    #[error("field `{0}` takes no argument")]
    ArgumentUnexpected(&'static str),
    #[error("field `{0}` takes a number from 0 to 63 as its argument")]
    ArgumentNotIndex(&'static str),
}

macro_rules! fields {
    ($($variant:ident $name:literal $type:ident $list:literal $argument:ident $scope:ident $doc:literal;)+) => {
        /// A field a rule can name. [`Field::ALL`] lists them with their types and meanings.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Field { $(#[doc = $doc] $variant,)+ }

        impl Field {
            /// Every field, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the name rules use, for example `proc.name`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns how its values compare.
            pub const fn value_type(self) -> Type {
                match self { $(Self::$variant => Type::$type,)+ }
            }

            /// Returns whether it yields a list, or any of several values (`fd.ip` is either end).
            pub const fn is_list(self) -> bool {
                match self { $(Self::$variant => $list,)+ }
            }

            /// Returns which bracketed argument it takes.
            pub const fn argument(self) -> ArgumentRule {
                match self { $(Self::$variant => ArgumentRule::$argument,)+ }
            }

            /// Returns whether it depends only on the process, its user or its container, so that
            /// it keeps its value from one exec to the next.
            pub const fn is_process_state(self) -> bool {
                match self { $(Self::$variant => fields!(@scope $scope),)+ }
            }

            /// Returns what it means, in a sentence.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }
        }
    };
    (@scope process) => { true };
    (@scope event) => { false };
}

fields! {
    EvtType "evt.type" Text false None event "Name of the event, that of the system call, for example `openat`.";
    EvtNum "evt.num" Unsigned false None event "Number of the event since the agent started, from 1.";
    EvtTime "evt.time" Unsigned false None event "Time of the event, nanoseconds since 1970.";
    EvtDir "evt.dir" Text false None event "Always `<`: only the end of a call is reported.";
    EvtCategory "evt.category" Text false None event "`process`, `file`, `net` or `other`.";
    EvtRawres "evt.rawres" Signed false None event "Return value of the call; negative is an errno.";
    EvtRes "evt.res" Text false None event "`SUCCESS`, or the errno's name.";
    EvtFailed "evt.failed" Bool false None event "Whether the call returned an error.";
    EvtArgs "evt.args" Text false None event "All arguments as `name=value`.";
    EvtArg "evt.arg" Text false Required event "One argument by name or position.";
    EvtIsOpenRead "evt.is_open_read" Bool false None event "An open for reading.";
    EvtIsOpenWrite "evt.is_open_write" Bool false None event "An open for writing.";
    EvtIsOpenExec "evt.is_open_exec" Bool false None event "A creation of a file with an execute bit.";
    EvtIsOpenCreate "evt.is_open_create" Bool false None event "An open that may create the file.";
    EvtVia "evt.via" Text false None event "`syscall` or `io_uring`: the way the kernel was asked.";
    EvtInfo "evt.info" Text false None event "The same as `evt.args`.";
    EvtCount "evt.count" Unsigned false None event "Always 1.";
    EvtTimeIso "evt.time.iso8601" Text false None event "Time of the event in RFC 3339.";
    EvtPluginname "evt.pluginname" Text false None event "Not read yet: has no value.";
    EvtAsynctype "evt.asynctype" Text false None event "Not read yet: has no value.";
    EvtBuffer "evt.buffer" Bytes false None event "The first bytes that were read or written.";
    EvtBuflen "evt.buflen" Unsigned false None event "Length of `evt.buffer`.";
    EvtRawarg "evt.rawarg" Any false Required event "One argument by name, as a number where it is one.";
    EvtLatency "evt.latency" Unsigned false None event "Always 0, as in Falco, which deprecates it.";
    FdNum "fd.num" Signed false None event "The descriptor of the event, -1 on failure.";
    FdName "fd.name" Path false None event "Full path of the file, or the address pair of the socket.";
    FdNameRaw "fd.nameraw" Text false None event "The path as the program passed it.";
    FdResolved "fd.resolved" Path false None event "The path the kernel opened, links followed.";
    FdDirectory "fd.directory" Path false None event "Directory part of `fd.name`.";
    FdFilename "fd.filename" Text false None event "Last part of `fd.name`.";
    FdType "fd.type" Text false None event "`file`, `directory`, `ipv4`, `ipv6`, `unix`, `pipe` and so on.";
    FdTypechar "fd.typechar" Text false None event "One letter for `fd.type`: `f`, `d`, `4`, `6`, `u`, `p`.";
    FdIno "fd.ino" Unsigned false None event "Inode number.";
    FdDev "fd.dev" Unsigned false None event "Device number of the file system, as `stat` encodes it.";
    FdL4proto "fd.l4proto" Text false None event "`tcp`, `udp`, `icmp` or `raw`.";
    FdSockfamily "fd.sockfamily" Text false None event "`ip` or `unix`.";
    FdIp "fd.ip" Ip true None event "Either end's address.";
    FdNet "fd.net" Net true None event "Either end's address, tested against CIDR blocks.";
    FdPort "fd.port" Port true None event "Either end's port.";
    FdCip "fd.cip" Ip false None event "The client's address.";
    FdSip "fd.sip" Ip false None event "The server's address.";
    FdLip "fd.lip" Ip false None event "The local address.";
    FdRip "fd.rip" Ip false None event "The remote address.";
    FdCnet "fd.cnet" Net false None event "The client's address, tested against CIDR blocks.";
    FdSnet "fd.snet" Net false None event "The server's address, tested against CIDR blocks.";
    FdLnet "fd.lnet" Net false None event "The local address, tested against CIDR blocks.";
    FdRnet "fd.rnet" Net false None event "The remote address, tested against CIDR blocks.";
    FdCport "fd.cport" Port false None event "The client's port.";
    FdSport "fd.sport" Port false None event "The server's port.";
    FdLport "fd.lport" Port false None event "The local port.";
    FdRport "fd.rport" Port false None event "The remote port.";
    FdSipName "fd.sip.name" Text false None event "A name whose lookup gave the server's address.";
    FdConnected "fd.connected" Bool false None event "Whether the socket is connected.";
    FdNameChanged "fd.name_changed" Bool false None event "Whether the event gave the socket other ends.";
    FdCipName "fd.cip.name" Text false None event "A name whose lookup gave the client's address.";
    FdLipName "fd.lip.name" Text false None event "A name whose lookup gave the local address.";
    FdRipName "fd.rip.name" Text false None event "A name whose lookup gave the remote address.";
    FdProto "fd.proto" Port true None event "The same as `fd.port`.";
    FdSproto "fd.sproto" Port false None event "The same as `fd.sport`.";
    FdCproto "fd.cproto" Port false None event "The same as `fd.cport`.";
    FdLproto "fd.lproto" Port false None event "The same as `fd.lport`.";
    FdRproto "fd.rproto" Port false None event "The same as `fd.rport`.";
    FdIsServer "fd.is_server" Bool false None event "Whether the socket belongs to the server.";
    FdUid "fd.uid" Text false None event "Not read yet: has no value.";
    FdContainername "fd.containername" Text false None event "`container.id` and `fd.name`, joined by `:`.";
    FdContainerdirectory "fd.containerdirectory" Text false None event "`container.id` and `fd.directory`, joined by `:`.";
    ProcPid "proc.pid" Signed false None process "Process id in the host's namespace.";
    ProcPpid "proc.ppid" Signed false None process "The parent's process id.";
    ProcVpid "proc.vpid" Signed false None process "Process id in its own pid namespace; 1 is the init of a container.";
    ProcSid "proc.sid" Signed false None process "Session id.";
    ProcPgid "proc.pgid" Signed false None process "Not read yet: has no value.";
    ProcVpgid "proc.vpgid" Signed false None process "Not read yet: has no value.";
    ProcPvpid "proc.pvpid" Signed false None process "The parent's `proc.vpid`.";
    ProcIsSidLeader "proc.is_sid_leader" Bool false None process "Whether the process leads its session.";
    ProcIsVpgidLeader "proc.is_vpgid_leader" Bool false None process "Not read yet: has no value.";
    ProcName "proc.name" Text false None process "The kernel's short name of the program, at most 15 bytes.";
    ProcExe "proc.exe" Text false None process "First argument, which the caller chooses.";
    ProcExepath "proc.exepath" Path false None process "Path of the executable as the kernel resolved it.";
    ProcArgs "proc.args" Text false None process "Arguments after the first, joined by blanks.";
    ProcCmdline "proc.cmdline" Text false None process "`proc.name` and `proc.args`.";
    ProcCmdnargs "proc.cmdnargs" Unsigned false None process "Number of arguments after the first.";
    ProcCmdlenargs "proc.cmdlenargs" Unsigned false None process "Bytes of the arguments after the first, blanks not counted.";
    ProcExeline "proc.exeline" Text false None process "`proc.exe` and `proc.args`.";
    ProcEnv "proc.env" Text false Optional process "The environment, or one variable of it.";
    ProcCwd "proc.cwd" Path false None process "Working directory, with a trailing slash.";
    ProcTty "proc.tty" Unsigned false None process "Controlling terminal's device number, 0 for none.";
    ProcDuration "proc.duration" Unsigned false None event "Nanoseconds since the process was started.";
    ProcPname "proc.pname" Text false None process "The parent's `proc.name`.";
    ProcPexe "proc.pexe" Text false None process "The parent's `proc.exe`.";
    ProcPexepath "proc.pexepath" Path false None process "The parent's `proc.exepath`.";
    ProcPcmdline "proc.pcmdline" Text false None process "The parent's `proc.cmdline`.";
    ProcSname "proc.sname" Text false None process "`proc.name` of the session's leader.";
    ProcSexe "proc.sexe" Text false None process "`proc.exe` of the session's leader.";
    ProcSexepath "proc.sexepath" Path false None process "`proc.exepath` of the session's leader.";
    ProcAname "proc.aname" Text true Ancestor process "`proc.name` of an ancestor; 1 is the parent; without a number any ancestor.";
    ProcAexe "proc.aexe" Text true Ancestor process "`proc.exe` of an ancestor.";
    ProcAexepath "proc.aexepath" Path true Ancestor process "`proc.exepath` of an ancestor.";
    ProcAcmdline "proc.acmdline" Text true Ancestor process "`proc.cmdline` of an ancestor.";
    ProcApid "proc.apid" Signed true Ancestor process "`proc.pid` of an ancestor.";
    ProcIsExeWritable "proc.is_exe_writable" Bool false None process "Whether the user who runs it could write the executable.";
    ProcIsExeUpperLayer "proc.is_exe_upper_layer" Bool false None process "Whether the executable was added after the container's image.";
    ProcIsExeLowerLayer "proc.is_exe_lower_layer" Bool false None process "Not read yet: has no value.";
    ProcIsExeFromMemfd "proc.is_exe_from_memfd" Bool false None process "Whether the executable lives only in memory.";
    ProcIsExeDeleted "proc.is_exe_deleted" Bool false None process "Whether the executable had no name left when it was run.";
    ProcExeIno "proc.exe_ino" Unsigned false None process "Inode number of the executable.";
    ProcExeInoCtime "proc.exe_ino.ctime" Unsigned false None process "Last change of the executable's inode, nanoseconds since 1970.";
    ProcExeInoMtime "proc.exe_ino.mtime" Unsigned false None process "Last change of the executable's content, nanoseconds since 1970.";
    ProcExeInoCtimeDurationProcStart "proc.exe_ino.ctime_duration_proc_start" Unsigned false None process "Nanoseconds from the executable's last inode change to the start of the process.";
    ProcStdinType "proc.stdin.type" Text false None process "What standard input was when the program was run: a `fd.type`.";
    ProcStdoutType "proc.stdout.type" Text false None process "What standard output was when the program was run: a `fd.type`.";
    ThreadTid "thread.tid" Signed false None event "Id of the thread that made the call.";
    ThreadCapEffective "thread.cap_effective" Text false None process "Effective capabilities, blank-separated `CAP_*` names.";
    ThreadCapPermitted "thread.cap_permitted" Text false None process "Not read yet: has no value.";
    ThreadCapInheritable "thread.cap_inheritable" Text false None process "Not read yet: has no value.";
    ThreadIsmain "thread.ismain" Bool false None event "Whether the main thread made the call.";
    UserUid "user.uid" Unsigned false None process "Effective user id.";
    UserName "user.name" Text false None process "Name of the effective user, `<NA>` if unknown.";
    UserLoginuid "user.loginuid" Signed false None process "User id at login, -1 if unset.";
    UserLoginname "user.loginname" Text false None process "Name of the user at login, `<NA>` if unset.";
    UserHomedir "user.homedir" Text false None process "Not read yet: has no value.";
    UserShell "user.shell" Text false None process "Not read yet: has no value.";
    GroupGid "group.gid" Unsigned false None process "Effective group id.";
    GroupName "group.name" Text false None process "Name of the effective group, `<NA>` if unknown.";
    ContainerId "container.id" Text false None process "First 12 hex digits of the container's id, `host` outside containers.";
    ContainerFullId "container.full_id" Text false None process "The container's whole id.";
    ContainerName "container.name" Text false None process "Name of the container, `host` outside containers.";
    ContainerType "container.type" Text false None process "`docker`, `containerd`, `cri-o`, `podman`, or `host`.";
    ContainerImage "container.image" Text false None process "Image as the pod names it, or as the runtime does.";
    ContainerImageRepository "container.image.repository" Text false None process "Image without its tag.";
    ContainerImageTag "container.image.tag" Text false None process "The image's tag.";
    ContainerPrivileged "container.privileged" Bool false None process "Whether the container runs privileged.";
    ContainerImageId "container.image.id" Text false None process "`sha256:…` of the image's configuration.";
    ContainerImageDigest "container.image.digest" Text false None process "`sha256:…` of the image's manifest in its registry.";
    ContainerMounts "container.mounts" Text false None process "Not read yet: has no value.";
    ContainerMount "container.mount" Text false Required process "Not read yet: has no value.";
    ContainerMountDest "container.mount.dest" Text false Required process "Not read yet: has no value.";
    ContainerMountSource "container.mount.source" Text false Required process "Not read yet: has no value.";
    ContainerMountMode "container.mount.mode" Text false Required process "Not read yet: has no value.";
    ContainerStartTs "container.start_ts" Unsigned false None process "Not read yet: has no value.";
    ContainerDuration "container.duration" Unsigned false None process "Not read yet: has no value.";
    ContainerIp "container.ip" Text false None process "The same as `k8s.pod.ip`.";
    ContainerHealthcheck "container.healthcheck" Text false None process "Not read yet: has no value.";
    ContainerLabel "container.label" Text false Required process "One label of the container; those of a pod are in `k8s.pod.label`.";
    ContainerLabels "container.labels" Text false None process "All labels of the container as `name:value, name:value`.";
    K8sNsName "k8s.ns.name" Text false None process "Namespace of the pod.";
    K8sPodName "k8s.pod.name" Text false None process "Name of the pod.";
    K8sPodUid "k8s.pod.uid" Text false None process "UID of the pod.";
    K8sPodId "k8s.pod.id" Text false None process "The same as `k8s.pod.uid`.";
    K8sPodIp "k8s.pod.ip" Text false None process "Address of the pod; none on the host's network.";
    K8sPodLabel "k8s.pod.label" Text false Required process "One label of the pod.";
    K8sPodLabels "k8s.pod.labels" Text false None process "All labels of the pod as `name:value, name:value`.";
    SakerPodQos "saker.pod.qos" Text false None process "`guaranteed`, `burstable` or `besteffort`, from the cgroup path.";
    SakerContainerMissing "saker.container.missing" Text false None process "Why container or pod fields have no value, as `field=reason,field=reason`.";
    SakerProcStartBootNs "saker.proc.start_boot_ns" Unsigned false None process "Start of the process, nanoseconds since boot: with `proc.pid` it names the process for ever.";
    SakerProcChain "saker.proc.chain" Text false None process "`proc.name` of up to eight ancestors, as `parent < grandparent`.";
}

impl Field {
    /// Resolves a name and its bracketed argument. `evt.arg.flags` is `evt.arg[flags]`.
    pub fn resolve(name: &str, argument: Option<&str>) -> Result<(Self, Argument), FieldError> {
        let found = Self::ALL.iter().copied().find(|field| field.name() == name);
        let Some(field) = found else {
            let families = [("evt.arg.", Self::EvtArg), ("evt.rawarg.", Self::EvtRawarg)];
            for (prefix, field) in families {
                if let Some(key) = name.strip_prefix(prefix)
                    && !key.is_empty()
                    && argument.is_none()
                {
                    return Ok((field, Argument::Key(key.into())));
                }
            }
            return Err(FieldError::Unknown(name.to_owned()));
        };
        let name = field.name();
        let argument = match (field.argument(), argument) {
            (ArgumentRule::None, None)
            | (ArgumentRule::Ancestor | ArgumentRule::Optional, None) => Argument::None,
            (ArgumentRule::None, Some(_)) => return Err(FieldError::ArgumentUnexpected(name)),
            (ArgumentRule::Required, None) => return Err(FieldError::ArgumentMissing(name)),
            (ArgumentRule::Ancestor, Some(text)) => match text.parse() {
                Ok(index @ 0..=63) => Argument::Index(index),
                _ => return Err(FieldError::ArgumentNotIndex(name)),
            },
            (ArgumentRule::Required, Some(text)) => match text.parse() {
                Ok(index) => Argument::Index(index),
                Err(_) => Argument::Key(text.into()),
            },
            (ArgumentRule::Optional, Some(text)) => Argument::Key(text.into()),
        };
        Ok((field, argument))
    }

    /// Returns whether a value with this argument is a list: an ancestor by number is one value.
    pub fn yields_list(self, argument: &Argument) -> bool {
        self.is_list() && !matches!(argument, Argument::Index(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_resolves_to_itself_and_has_a_sentence() {
        for field in Field::ALL {
            let argument = (field.argument() == ArgumentRule::Required).then_some("x");
            assert_eq!(Field::resolve(field.name(), argument).map(|(found, _)| found), Ok(*field));
            assert!(field.doc().ends_with('.'), "{}", field.name());
        }
    }

    #[test]
    fn an_argument_may_be_a_suffix_or_in_brackets() {
        let flags = (Field::EvtArg, Argument::Key("flags".into()));
        assert_eq!(Field::resolve("evt.arg.flags", None), Ok(flags.clone()));
        assert_eq!(Field::resolve("evt.arg", Some("flags")), Ok(flags));
        assert_eq!(
            Field::resolve("proc.aname", Some("2")),
            Ok((Field::ProcAname, Argument::Index(2)))
        );
        assert!(Field::resolve("proc.aname", Some("x")).is_err());
        assert!(Field::resolve("proc.name", Some("1")).is_err());
        assert!(Field::resolve("proc.nmae", None).is_err());
    }
}
