//! Every field, in the order of the documentation.

use super::{ArgumentRule, EventSource, Origin, Type};

macro_rules! fields {
    ($($variant:ident $name:literal $type:ident $count:ident $argument:ident $scope:ident $source:ident $supplied:ident $origin:ident $doc:literal;)+) => {
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
                match self { $(Self::$variant => fields!(@count $count),)+ }
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

            /// Returns which events have it.
            pub const fn source(self) -> EventSource {
                match self { $(Self::$variant => EventSource::$source,)+ }
            }

            /// Returns whether a sensor of ours fills it in. Another field is known, and has a value
            /// in tests and in recordings that hold one.
            pub const fn supplied(self) -> bool {
                match self { $(Self::$variant => fields!(@supplied $supplied),)+ }
            }

            /// Returns where its value comes from.
            pub const fn origin(self) -> Origin {
                match self { $(Self::$variant => Origin::$origin,)+ }
            }

            /// Returns what it means, in a sentence.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)+ }
            }
        }
    };
    (@scope process) => { true };
    (@scope event) => { false };
    (@count many) => { true };
    (@count one) => { false };
    (@supplied yes) => { true };
    (@supplied no) => { false };
}

fields! {
    EvtType "evt.type" Text one None event Syscall yes Kind "Name of the event, that of the system call, for example `openat`.";
    EvtTypeIs "evt.type.is" Unsigned one Required event Syscall yes Kind "1 if the event is of this kind, as in `evt.type.is.open`; 0 otherwise.";
    SyscallType "syscall.type" Text one None event Syscall yes Kind "The same as `evt.type`, of events that are system calls.";
    EvtCategory "evt.category" Text one None event Syscall yes Kind "`file`, `net`, `process`, `user`, `memory` or `other`; of reads and writes that of their descriptor, or `ipc` or `unknown`.";
    EvtNum "evt.num" Unsigned one None event Syscall yes Sensor "Number of the event since the agent started, from 1.";
    EvtTime "evt.time" Unsigned one None event Syscall yes Sensor "Time of the event, nanoseconds since 1970; an output prints the time of the day in UTC.";
    EvtTimeS "evt.time.s" Unsigned one None event Syscall yes Sensor "Time of the event, whole seconds since 1970; an output prints the time of the day in UTC.";
    EvtTimeIso "evt.time.iso8601" Text one None event Syscall yes Sensor "Time of the event as `2026-11-27T01:02:03.000000000+0000`.";
    EvtDatetime "evt.datetime" Text one None event Syscall yes Sensor "Time of the event as `2026-11-27 01:02:03.000000000`, in UTC.";
    EvtDatetimeS "evt.datetime.s" Text one None event Syscall yes Sensor "Time of the event as `2026-11-27 01:02:03`, in UTC.";
    EvtRawtime "evt.rawtime" Unsigned one None event Syscall yes Sensor "The same as `evt.time`.";
    EvtRawtimeS "evt.rawtime.s" Unsigned one None event Syscall yes Sensor "The same as `evt.time.s`.";
    EvtRawtimeNs "evt.rawtime.ns" Unsigned one None event Syscall yes Sensor "Nanoseconds of the event's time after the whole second.";
    EvtReltime "evt.reltime" Unsigned one None event Syscall no Order "Time since the first event, in nanoseconds, as whole seconds, and the rest.";
    EvtReltimeS "evt.reltime.s" Unsigned one None event Syscall no Order "The seconds of `evt.reltime`.";
    EvtReltimeNs "evt.reltime.ns" Unsigned one None event Syscall no Order "The nanoseconds after the second of `evt.reltime`.";
    EvtDeltatime "evt.deltatime" Unsigned one None event Syscall no Order "Time since the event before, in nanoseconds.";
    EvtDeltatimeS "evt.deltatime.s" Unsigned one None event Syscall no Order "The seconds of `evt.deltatime`.";
    EvtDeltatimeNs "evt.deltatime.ns" Unsigned one None event Syscall no Order "The nanoseconds after the second of `evt.deltatime`.";
    EvtLatency "evt.latency" Unsigned one None event Syscall yes Constant "Always 0, as in Falco, which deprecates it.";
    EvtLatencyS "evt.latency.s" Unsigned one None event Syscall yes Constant "Always 0, as `evt.latency`.";
    EvtLatencyNs "evt.latency.ns" Unsigned one None event Syscall yes Constant "Always 0, as `evt.latency`.";
    EvtLatencyHuman "evt.latency.human" Text one None event Syscall yes Constant "Always `0ns`, as `evt.latency`.";
    EvtWaitLatency "evt.wait_latency" Unsigned one None event Syscall yes Constant "Always 0, as `evt.latency`.";
    EvtDir "evt.dir" Text one None event Syscall yes Constant "Always `<`: only the end of a call is reported.";
    EvtCpu "evt.cpu" Signed one None event Syscall yes Sensor "Number of the processor the thread ran on.";
    EvtSource "evt.source" Text one None event Syscall yes Constant "Source of the event: `syscall` or `k8s_audit`.";
    EvtHostname "evt.hostname" Text one None event Syscall no Hostname "Name of the machine.";
    EvtIsAsync "evt.is_async" Bool one None event Syscall yes Kind "Whether the event is no system call but a notice: a container that came or went.";
    EvtAsynctype "evt.asynctype" Text one None event Syscall yes Kind "Name of the notice.";
    EvtPluginname "evt.pluginname" Text one None event Syscall no Plugin "Name of the plugin that made the event.";
    EvtPlugininfo "evt.plugininfo" Text one None event Syscall no Plugin "The event as its plugin shows it.";
    EvtRawres "evt.rawres" Signed one None event Syscall yes Result "Return value of the call; negative is an errno.";
    EvtRes "evt.res" Text one None event Syscall yes Result "`SUCCESS`, or the errno's name.";
    EvtFailed "evt.failed" Bool one None event Syscall yes Result "Whether the call returned an error.";
    EvtArgs "evt.args" Text one None event Syscall yes Arguments "All parameters as `name=value`, with the meaning in parentheses.";
    EvtArg "evt.arg" Text one Required event Syscall yes Arguments "One parameter by name or position: names and symbols where it has any.";
    EvtRawarg "evt.rawarg" Any one Required event Syscall yes Arguments "One parameter by name or position: numbers as numbers, a path as it was given.";
    EvtInfo "evt.info" Text one None event Syscall yes Arguments "The same as `evt.args`.";
    EvtAbspath "evt.abspath" Path one Optional event Syscall yes Path "Full path of the call's file; `evt.abspath.src` and `evt.abspath.dst` where there are two.";
    EvtBuffer "evt.buffer" Bytes one None event Syscall yes Buffer "The first bytes that were read or written.";
    EvtBuflen "evt.buflen" Unsigned one None event Syscall yes Buffer "Length of `evt.buffer`.";
    EvtIsOpenRead "evt.is_open_read" Bool one None event Syscall yes OpenFlags "An open for reading.";
    EvtIsOpenWrite "evt.is_open_write" Bool one None event Syscall yes OpenFlags "An open for writing.";
    EvtIsOpenExec "evt.is_open_exec" Bool one None event Syscall yes OpenFlags "A creation of a file with an execute bit.";
    EvtIsOpenCreate "evt.is_open_create" Bool one None event Syscall yes OpenFlags "An open that may create the file.";
    EvtIsIo "evt.is_io" Bool one None event Syscall yes Kind "Whether the event reads or writes.";
    EvtIsIoRead "evt.is_io_read" Bool one None event Syscall yes Kind "Whether the event reads.";
    EvtIsIoWrite "evt.is_io_write" Bool one None event Syscall yes Kind "Whether the event writes.";
    EvtIoDir "evt.io_dir" Text one None event Syscall yes Kind "`r` for a read, `w` for a write.";
    EvtIsWait "evt.is_wait" Bool one None event Syscall yes Kind "Whether the call makes the thread wait; none of the kinds here does.";
    EvtIsSyslog "evt.is_syslog" Bool one None event Syscall no Syslog "Whether the event writes to `/dev/log`.";
    EvtCount "evt.count" Unsigned one None event Syscall yes Constant "Always 1.";
    EvtCountError "evt.count.error" Unsigned one None event Syscall yes Result "1 if the call returned an error.";
    EvtCountErrorFile "evt.count.error.file" Unsigned one None event Syscall yes Result "1 if the call returned an error and is about files.";
    EvtCountErrorNet "evt.count.error.net" Unsigned one None event Syscall yes Result "1 if the call returned an error and is about the network.";
    EvtCountErrorMemory "evt.count.error.memory" Unsigned one None event Syscall yes Result "1 if the call returned an error and is about memory.";
    EvtCountErrorOther "evt.count.error.other" Unsigned one None event Syscall yes Result "1 if the call returned an error and is about none of these.";
    EvtCountExit "evt.count.exit" Unsigned one None event Syscall yes Constant "Always 1: every event is the end of a call.";
    EvtAround "evt.around" Unsigned one Required event Syscall no Sensor "With a time as its argument: whether the event is within so many milliseconds of it.";
    EvtVia "evt.via" Text one None event Syscall yes Sensor "`syscall` or `io_uring`: the way the kernel was asked.";
    FdNum "fd.num" Signed one None event Syscall yes Result "The descriptor of the event, -1 on failure.";
    FdName "fd.name" Path one None event Syscall yes Path "Full path of the file, or the address pair of the socket.";
    FdNameRaw "fd.nameraw" Text one None event Syscall yes Path "The path as the program passed it.";
    FdResolved "fd.resolved" Path one None event Syscall yes Resolved "The path the kernel opened, links followed; of a file that rules name by its full path that path, by whatever name it was reached.";
    FdDirectory "fd.directory" Path one None event Syscall yes Path "Directory part of `fd.name`.";
    FdFilename "fd.filename" Text one None event Syscall yes Path "Last part of `fd.name`.";
    FdType "fd.type" Text one None event Syscall yes Inode "`file`, `directory`, `ipv4`, `ipv6`, `unix`, `pipe`, `event`, `inotify`, `timerfd`, `netlink`, `bpf`, `memfd`, `io_uring`, `pidfd`, `signalfd`, `eventpoll`, `userfaultfd` or `other`.";
    FdTypechar "fd.typechar" Text one None event Syscall yes Inode "One letter for `fd.type`: `f d 4 6 u p e i t n b m r P s l u o`.";
    FdTypes "fd.types" Text many Optional event Syscall no Files "Kinds of all files the process has open, or of one by its number.";
    FdIno "fd.ino" Unsigned one None event Syscall yes Inode "Inode number.";
    FdDev "fd.dev" Unsigned one None event Syscall yes Inode "Device number of the file system, as `stat` encodes it.";
    FdDevMajor "fd.dev.major" Unsigned one None event Syscall yes Inode "Major number of `fd.dev`.";
    FdDevMinor "fd.dev.minor" Unsigned one None event Syscall yes Inode "Minor number of `fd.dev`.";
    FdIsUpperLayer "fd.is_upper_layer" Bool one None event Syscall no Overlay "Whether the file was added after the container's image.";
    FdIsLowerLayer "fd.is_lower_layer" Bool one None event Syscall no Overlay "Whether the file is of the container's image.";
    FdL4proto "fd.l4proto" Text one None event Syscall yes Socket "`tcp`, `udp`, `icmp` or `raw`.";
    FdSockfamily "fd.sockfamily" Text one None event Syscall yes Socket "`ip` or `unix`.";
    FdIp "fd.ip" Ip many None event Syscall yes Socket "Either end's address.";
    FdNet "fd.net" Net many None event Syscall yes Socket "Either end's address, tested against CIDR blocks.";
    FdPort "fd.port" Port many None event Syscall yes Socket "Either end's port.";
    FdProto "fd.proto" Port many None event Syscall yes Socket "The same as `fd.port`.";
    FdCip "fd.cip" Ip one None event Syscall yes Socket "The client's address.";
    FdCnet "fd.cnet" Net one None event Syscall yes Socket "The client's address, tested against CIDR blocks.";
    FdCport "fd.cport" Port one None event Syscall yes Socket "The client's port.";
    FdCproto "fd.cproto" Port one None event Syscall yes Socket "The same as `fd.cport`.";
    FdCipName "fd.cip.name" Text one None event Syscall yes Resolver "A name whose look-up gave the client's address.";
    FdSip "fd.sip" Ip one None event Syscall yes Socket "The server's address.";
    FdSnet "fd.snet" Net one None event Syscall yes Socket "The server's address, tested against CIDR blocks.";
    FdSport "fd.sport" Port one None event Syscall yes Socket "The server's port.";
    FdSproto "fd.sproto" Port one None event Syscall yes Socket "The same as `fd.sport`.";
    FdSipName "fd.sip.name" Text one None event Syscall yes Resolver "A name whose look-up gave the server's address.";
    FdLip "fd.lip" Ip one None event Syscall yes Socket "The local address.";
    FdLnet "fd.lnet" Net one None event Syscall yes Socket "The local address, tested against CIDR blocks.";
    FdLport "fd.lport" Port one None event Syscall yes Socket "The local port.";
    FdLproto "fd.lproto" Port one None event Syscall yes Socket "The same as `fd.lport`.";
    FdLipName "fd.lip.name" Text one None event Syscall yes Resolver "A name whose look-up gave the local address.";
    FdRip "fd.rip" Ip one None event Syscall yes Socket "The remote address.";
    FdRnet "fd.rnet" Net one None event Syscall yes Socket "The remote address, tested against CIDR blocks.";
    FdRport "fd.rport" Port one None event Syscall yes Socket "The remote port.";
    FdRproto "fd.rproto" Port one None event Syscall yes Socket "The same as `fd.rport`.";
    FdRipName "fd.rip.name" Text one None event Syscall yes Resolver "A name whose look-up gave the remote address.";
    FdIsServer "fd.is_server" Bool one None event Syscall yes Socket "Whether the socket belongs to the server.";
    FdConnected "fd.connected" Bool one None event Syscall yes Socket "Whether the socket is connected.";
    FdNameChanged "fd.name_changed" Bool one None event Syscall yes Socket "Whether the event gave the socket other ends.";
    FdUid "fd.uid" Text one None event Syscall yes Derived "Thread id and `fd.num`, joined.";
    FdContainername "fd.containername" Text one None event Syscall yes Derived "`container.id` and `fd.name`, joined by `:`.";
    FdContainerdirectory "fd.containerdirectory" Text one None event Syscall yes Derived "`container.id` and `fd.directory`, joined by `:`.";
    FdlistNums "fdlist.nums" Signed many None event Syscall no Poll "Numbers of the descriptors a call waits for.";
    FdlistNames "fdlist.names" Text many None event Syscall no Poll "Names of the descriptors a call waits for.";
    FdlistCips "fdlist.cips" Ip many None event Syscall no Poll "Clients' addresses of the descriptors a call waits for.";
    FdlistSips "fdlist.sips" Ip many None event Syscall no Poll "Servers' addresses of the descriptors a call waits for.";
    FdlistCports "fdlist.cports" Port many None event Syscall no Poll "Clients' ports of the descriptors a call waits for.";
    FdlistSports "fdlist.sports" Port many None event Syscall no Poll "Servers' ports of the descriptors a call waits for.";
    FsPathName "fs.path.name" Path one None event Syscall yes Path "Full path of the one file a successful call is about.";
    FsPathNameraw "fs.path.nameraw" Text one None event Syscall yes Path "`fs.path.name` as the program passed it.";
    FsPathSource "fs.path.source" Path one None event Syscall yes Path "Full path of the first of two files: what is renamed, the new link, what is mounted.";
    FsPathSourceraw "fs.path.sourceraw" Text one None event Syscall yes Path "`fs.path.source` as the program passed it.";
    FsPathTarget "fs.path.target" Path one None event Syscall yes Path "Full path of the second of two files: the new name, what a link leads to, the mount point.";
    FsPathTargetraw "fs.path.targetraw" Text one None event Syscall yes Path "`fs.path.target` as the program passed it.";
    ProcPid "proc.pid" Signed one None process Syscall yes Pids "Process id in the host's namespace.";
    ProcPpid "proc.ppid" Signed one None process Syscall yes Pids "The parent's process id.";
    ProcVpid "proc.vpid" Signed one None process Syscall yes Pids "Process id in its own pid namespace; 1 is the init of a container.";
    ProcPvpid "proc.pvpid" Signed one None process Syscall yes Tree "The parent's `proc.vpid`.";
    ProcSid "proc.sid" Signed one None process Syscall yes Pids "Session id.";
    ProcPgid "proc.pgid" Signed one None process Syscall yes Pids "Process group id.";
    ProcVpgid "proc.vpgid" Signed one None process Syscall yes Pids "Process group id in its own pid namespace.";
    ProcIsSidLeader "proc.is_sid_leader" Bool one None process Syscall yes Pids "Whether the process leads its session.";
    ProcIsPgidLeader "proc.is_pgid_leader" Bool one None process Syscall yes Pids "Whether the process leads its process group.";
    ProcIsVpgidLeader "proc.is_vpgid_leader" Bool one None process Syscall yes Pids "Whether the process leads its process group, in its own pid namespace.";
    ProcName "proc.name" Text one None process Syscall yes Comm "The kernel's short name of the program, at most 15 bytes.";
    ProcExe "proc.exe" Text one None process Syscall yes ExecArguments "First argument, which the caller chooses.";
    ProcExepath "proc.exepath" Path one None process Syscall yes ExeFile "Path of the executable as the kernel resolved it.";
    ProcArgs "proc.args" Text one None process Syscall yes ExecArguments "Arguments after the first, joined by blanks.";
    ProcCmdline "proc.cmdline" Text one None process Syscall yes ExecArguments "`proc.name` and `proc.args`.";
    ProcCmdnargs "proc.cmdnargs" Unsigned one None process Syscall yes ExecArguments "Number of arguments after the first.";
    ProcCmdlenargs "proc.cmdlenargs" Unsigned one None process Syscall yes ExecArguments "Bytes of the arguments after the first, blanks not counted.";
    ProcExeline "proc.exeline" Text one None process Syscall yes ExecArguments "`proc.exe` and `proc.args`.";
    ProcEnv "proc.env" Text one Optional process Syscall yes Environment "The environment, or one variable of it.";
    ProcAenv "proc.aenv" Text many Optional process Syscall yes Environment "Environments of the ancestors, one by its number, or a variable's nearest value.";
    ProcCwd "proc.cwd" Path one None process Syscall yes Cwd "Working directory, with a trailing slash.";
    ProcTty "proc.tty" Unsigned one None process Syscall yes Terminal "Controlling terminal's device number, 0 for none.";
    ProcLoginshellid "proc.loginshellid" Signed one None process Syscall yes Tree "Process id of the oldest shell among the ancestors.";
    ProcDuration "proc.duration" Unsigned one None event Syscall yes Start "Nanoseconds since the process was started.";
    ProcPpidDuration "proc.ppid.duration" Unsigned one None event Syscall yes Start "Nanoseconds since the parent was started.";
    ProcPidTs "proc.pid.ts" Unsigned one None process Syscall yes Start "Start of the process, nanoseconds since 1970.";
    ProcPpidTs "proc.ppid.ts" Unsigned one None process Syscall yes Start "Start of the parent, nanoseconds since 1970.";
    ProcPname "proc.pname" Text one None process Syscall yes Tree "The parent's `proc.name`.";
    ProcPexe "proc.pexe" Text one None process Syscall yes Tree "The parent's `proc.exe`.";
    ProcPexepath "proc.pexepath" Path one None process Syscall yes Tree "The parent's `proc.exepath`.";
    ProcPcmdline "proc.pcmdline" Text one None process Syscall yes Tree "The parent's `proc.cmdline`.";
    ProcSname "proc.sname" Text one None process Syscall yes Tree "`proc.name` of the session's leader.";
    ProcSidExe "proc.sid.exe" Text one None process Syscall yes Tree "`proc.exe` of the session's leader.";
    ProcSidExepath "proc.sid.exepath" Path one None process Syscall yes Tree "`proc.exepath` of the session's leader.";
    ProcPgidName "proc.pgid.name" Text one None process Syscall yes Tree "`proc.name` of the process group's leader.";
    ProcPgidExe "proc.pgid.exe" Text one None process Syscall yes Tree "`proc.exe` of the process group's leader.";
    ProcPgidExepath "proc.pgid.exepath" Path one None process Syscall yes Tree "`proc.exepath` of the process group's leader.";
    ProcVpgidName "proc.vpgid.name" Text one None process Syscall yes Tree "`proc.name` of the process group's leader.";
    ProcVpgidExe "proc.vpgid.exe" Text one None process Syscall yes Tree "`proc.exe` of the process group's leader.";
    ProcVpgidExepath "proc.vpgid.exepath" Path one None process Syscall yes Tree "`proc.exepath` of the process group's leader.";
    ProcAname "proc.aname" Text many Ancestor process Syscall yes Tree "`proc.name` of an ancestor; 1 is the parent; without a number any ancestor.";
    ProcAexe "proc.aexe" Text many Ancestor process Syscall yes Tree "`proc.exe` of an ancestor.";
    ProcAexepath "proc.aexepath" Path many Ancestor process Syscall yes Tree "`proc.exepath` of an ancestor.";
    ProcAargs "proc.aargs" Text many Ancestor process Syscall yes Tree "`proc.args` of an ancestor.";
    ProcAcmdline "proc.acmdline" Text many Ancestor process Syscall yes Tree "`proc.cmdline` of an ancestor.";
    ProcApid "proc.apid" Signed many Ancestor process Syscall yes Tree "`proc.pid` of an ancestor.";
    ProcIsExeWritable "proc.is_exe_writable" Bool one None process Syscall yes ExeFile "Whether the user who runs it could write the executable.";
    ProcIsExeUpperLayer "proc.is_exe_upper_layer" Bool one None process Syscall yes Overlay "Whether the executable was added after the container's image.";
    ProcIsExeLowerLayer "proc.is_exe_lower_layer" Bool one None process Syscall yes Overlay "Whether the executable is of the container's image.";
    ProcIsExeFromMemfd "proc.is_exe_from_memfd" Bool one None process Syscall yes ExeFile "Whether the executable lives only in memory.";
    ProcIsExeDeleted "proc.is_exe_deleted" Bool one None process Syscall yes ExeFile "Whether the executable had no name left when it was run.";
    ProcExeIno "proc.exe_ino" Unsigned one None process Syscall yes ExeFile "Inode number of the executable.";
    ProcExeInoCtime "proc.exe_ino.ctime" Unsigned one None process Syscall yes ExeFile "Last change of the executable's inode, nanoseconds since 1970.";
    ProcExeInoMtime "proc.exe_ino.mtime" Unsigned one None process Syscall yes ExeFile "Last change of the executable's content, nanoseconds since 1970.";
    ProcExeInoCtimeDurationProcStart "proc.exe_ino.ctime_duration_proc_start" Unsigned one None process Syscall yes ExeFile "Nanoseconds from the executable's last inode change to the start of the process.";
    ProcExeInoCtimeDurationPidnsStart "proc.exe_ino.ctime_duration_pidns_start" Unsigned one None process Syscall yes Namespace "Nanoseconds from the start of the pid namespace to the executable's last inode change, if it was later.";
    ProcPidnsInitStartTs "proc.pidns_init_start_ts" Unsigned one None process Syscall yes Namespace "Start of the pid namespace, nanoseconds since 1970.";
    ProcStdinType "proc.stdin.type" Text one None process Syscall yes Streams "What standard input was when the program was run: a `fd.type`.";
    ProcStdoutType "proc.stdout.type" Text one None process Syscall yes Streams "What standard output was when the program was run: a `fd.type`.";
    ProcIsContainerHealthcheck "proc.is_container_healthcheck" Bool one None process Syscall yes Runtime "Whether it was started to check its container's health.";
    ProcIsContainerLivenessProbe "proc.is_container_liveness_probe" Bool one None process Syscall yes Runtime "Whether it was started as its container's liveness probe.";
    ProcIsContainerReadinessProbe "proc.is_container_readiness_probe" Bool one None process Syscall yes Runtime "Whether it was started as its container's readiness probe.";
    ProcFdopencount "proc.fdopencount" Unsigned one None process Syscall yes Usage "Number of open files among the first 1024 descriptors.";
    ProcFdlimit "proc.fdlimit" Unsigned one None process Syscall yes Usage "Number of files it may open.";
    ProcFdusage "proc.fdusage" Unsigned one None process Syscall yes Usage "Open files in percent of `proc.fdlimit`.";
    ProcVmsize "proc.vmsize" Unsigned one None process Syscall yes Usage "Virtual memory in KiB.";
    ProcVmrss "proc.vmrss" Unsigned one None process Syscall yes Usage "Resident memory in KiB.";
    ProcVmswap "proc.vmswap" Unsigned one None process Syscall yes Usage "Swapped memory in KiB.";
    ProcNthreads "proc.nthreads" Unsigned one None process Syscall no Threads "Number of threads.";
    ProcNchilds "proc.nchilds" Unsigned one None process Syscall no Threads "Number of threads beside the main one.";
    ThreadTid "thread.tid" Signed one None event Syscall yes Pids "Id of the thread that made the call.";
    ThreadVtid "thread.vtid" Signed one None event Syscall yes Pids "Thread id in its own pid namespace.";
    ThreadIsmain "thread.ismain" Bool one None event Syscall yes Pids "Whether the main thread made the call.";
    ThreadCapEffective "thread.cap_effective" Text one None process Syscall yes Credentials "Effective capabilities, blank-separated `CAP_*` names.";
    ThreadCapPermitted "thread.cap_permitted" Text one None process Syscall yes Credentials "Permitted capabilities.";
    ThreadCapInheritable "thread.cap_inheritable" Text one None process Syscall yes Credentials "Inheritable capabilities.";
    ThreadCgroups "thread.cgroups" Text one None process Syscall no Cgroups "All cgroups as `subsystem=path`, blank-separated.";
    ThreadCgroup "thread.cgroup" Text one Required process Syscall no Cgroups "Path of the cgroup of one subsystem, as in `thread.cgroup.cpu`.";
    ThreadVmsize "thread.vmsize" Unsigned one None process Syscall yes Usage "The same as `proc.vmsize`.";
    ThreadVmrss "thread.vmrss" Unsigned one None process Syscall yes Usage "The same as `proc.vmrss`.";
    ThreadPfmajor "thread.pfmajor" Unsigned one None process Syscall yes Usage "Page faults that needed a disk.";
    ThreadPfminor "thread.pfminor" Unsigned one None process Syscall yes Usage "Page faults that needed none.";
    ThreadExectime "thread.exectime" Unsigned one None event Syscall no Scheduler "Time the thread ran, nanoseconds: of scheduler events alone.";
    ThreadTotexectime "thread.totexectime" Unsigned one None event Syscall no Scheduler "Sum of `thread.exectime`.";
    ThreadCpu "thread.cpu" Unsigned one None event Syscall no Scheduler "Processor time in percent, of process reports alone.";
    ThreadCpuUser "thread.cpu.user" Unsigned one None event Syscall no Scheduler "User part of `thread.cpu`.";
    ThreadCpuSystem "thread.cpu.system" Unsigned one None event Syscall no Scheduler "System part of `thread.cpu`.";
    UserUid "user.uid" Unsigned one None process Syscall yes Credentials "Effective user id.";
    UserName "user.name" Text one None process Syscall yes Users "Name of the effective user, `<NA>` if unknown.";
    UserHomedir "user.homedir" Text one None process Syscall yes Users "Home of the effective user, `<NA>` if unknown.";
    UserShell "user.shell" Text one None process Syscall yes Users "Shell of the effective user, `<NA>` if unknown.";
    UserLoginuid "user.loginuid" Signed one None process Syscall yes LoginUid "User id at login, -1 if unset.";
    UserLoginname "user.loginname" Text one None process Syscall yes Users "Name of the user at login, `<NA>` if unset.";
    GroupGid "group.gid" Unsigned one None process Syscall yes Credentials "Effective group id.";
    GroupName "group.name" Text one None process Syscall yes Users "Name of the effective group, `<NA>` if unknown.";
    ContainerId "container.id" Text one None process Syscall yes Cgroup "First 12 hex digits of the container's id, or its whole name where that is its id; `host` outside containers.";
    ContainerFullId "container.full_id" Text one None process Syscall yes Cgroup "The container's whole id.";
    ContainerName "container.name" Text one None process Syscall yes Runtime "Name of the container, `host` outside containers.";
    ContainerType "container.type" Text one None process Syscall yes Cgroup "`docker`, `containerd`, `cri-o`, `podman`, `lxc`, `systemd-nspawn`, `buildkit`, or `host`.";
    ContainerImage "container.image" Text one None process Syscall yes Runtime "Image as the pod names it, or as the runtime does.";
    ContainerImageId "container.image.id" Text one None process Syscall yes Runtime "`sha256:…` of the image's configuration.";
    ContainerImageRepository "container.image.repository" Text one None process Syscall yes Runtime "Image without its tag.";
    ContainerImageTag "container.image.tag" Text one None process Syscall yes Runtime "The image's tag.";
    ContainerImageDigest "container.image.digest" Text one None process Syscall yes Runtime "`sha256:…` of the image's manifest in its registry.";
    ContainerPrivileged "container.privileged" Bool one None process Syscall yes Runtime "Whether the container runs privileged.";
    ContainerMounts "container.mounts" Text one None process Syscall yes RuntimeMounts "All mounts as `source:destination:mode:writable:propagation`, joined by `,`.";
    ContainerMount "container.mount" Text one Required process Syscall yes RuntimeMounts "One mount, by number or source; the source may have `*` and `?`.";
    ContainerMountSource "container.mount.source" Text one Required process Syscall yes RuntimeMounts "Source of a mount, by number or destination.";
    ContainerMountDest "container.mount.dest" Text one Required process Syscall yes RuntimeMounts "Destination of a mount, by number or source.";
    ContainerMountMode "container.mount.mode" Text one Required process Syscall yes RuntimeMounts "Mode of a mount, by number or source.";
    ContainerMountRdwr "container.mount.rdwr" Text one Required process Syscall yes RuntimeMounts "Whether a mount can be written, by number or source.";
    ContainerMountPropagation "container.mount.propagation" Text one Required process Syscall yes RuntimeMounts "Propagation of a mount, by number or source.";
    ContainerStartTs "container.start_ts" Unsigned one None process Syscall yes Namespace "Start of the container's first process, nanoseconds since 1970.";
    ContainerDuration "container.duration" Unsigned one None event Syscall yes Namespace "Nanoseconds since the container's start.";
    ContainerIp "container.ip" Text one None process Syscall yes Runtime "The same as `k8s.pod.ip`.";
    ContainerCniJson "container.cni.json" Text one None process Syscall yes RuntimeVerbose "What the network plugin says of the pod.";
    ContainerHealthcheck "container.healthcheck" Text one None process Syscall yes RuntimeVerbose "Command of the container's health check.";
    ContainerLivenessProbe "container.liveness_probe" Text one None process Syscall yes RuntimeVerbose "Command of the container's liveness probe.";
    ContainerReadinessProbe "container.readiness_probe" Text one None process Syscall yes RuntimeVerbose "Command of the container's readiness probe.";
    ContainerHostPid "container.host_pid" Bool one None process Syscall yes RuntimeVerbose "Whether the container is in the host's pid namespace.";
    ContainerHostNetwork "container.host_network" Bool one None process Syscall yes RuntimeVerbose "Whether the container is in the host's network namespace.";
    ContainerHostIpc "container.host_ipc" Bool one None process Syscall yes RuntimeVerbose "Whether the container is in the host's IPC namespace.";
    ContainerLabel "container.label" Text one Required process Syscall yes Runtime "One label of the container; those of a pod are in `k8s.pod.label`.";
    ContainerLabels "container.labels" Text one None process Syscall yes Runtime "All labels of the container as `name:value, name:value`.";
    K8sNsName "k8s.ns.name" Text one None process Syscall yes PodLabels "Namespace of the pod.";
    K8sPodName "k8s.pod.name" Text one None process Syscall yes PodLabels "Name of the pod.";
    K8sPodUid "k8s.pod.uid" Text one None process Syscall yes PodLabels "UID of the pod.";
    K8sPodId "k8s.pod.id" Text one None process Syscall yes PodLabels "The same as `k8s.pod.uid`.";
    K8sPodSandboxId "k8s.pod.sandbox_id" Text one None process Syscall yes PodLabels "First 12 hex digits of the id of the pod's sandbox.";
    K8sPodFullSandboxId "k8s.pod.full_sandbox_id" Text one None process Syscall yes PodLabels "Id of the pod's sandbox.";
    K8sPodIp "k8s.pod.ip" Text one None process Syscall yes Runtime "Address of the pod; none on the host's network.";
    K8sPodCniJson "k8s.pod.cni.json" Text one None process Syscall yes RuntimeVerbose "The same as `container.cni.json`.";
    K8sPodLabel "k8s.pod.label" Text one Required process Syscall yes PodLabels "One label of the pod.";
    K8sPodLabels "k8s.pod.labels" Text one None process Syscall yes PodLabels "All labels of the pod as `name:value, name:value`.";
    K8sNsId "k8s.ns.id" Text one None process Syscall no ApiServer "UID of the namespace of the pod.";
    K8sNsLabel "k8s.ns.label" Text one Required process Syscall no ApiServer "One label of the namespace of the pod.";
    K8sNsLabels "k8s.ns.labels" Text one None process Syscall no ApiServer "All labels of the namespace of the pod.";
    K8sDeploymentName "k8s.deployment.name" Text one None process Syscall no ApiServer "Name of the deployment of the pod.";
    K8sDeploymentId "k8s.deployment.id" Text one None process Syscall no ApiServer "UID of the deployment of the pod.";
    K8sDeploymentLabel "k8s.deployment.label" Text one Required process Syscall no ApiServer "One label of the deployment of the pod.";
    K8sDeploymentLabels "k8s.deployment.labels" Text one None process Syscall no ApiServer "All labels of the deployment of the pod.";
    K8sRsName "k8s.rs.name" Text one None process Syscall no ApiServer "Name of the replica set of the pod.";
    K8sRsId "k8s.rs.id" Text one None process Syscall no ApiServer "UID of the replica set of the pod.";
    K8sRsLabel "k8s.rs.label" Text one Required process Syscall no ApiServer "One label of the replica set of the pod.";
    K8sRsLabels "k8s.rs.labels" Text one None process Syscall no ApiServer "All labels of the replica set of the pod.";
    K8sRcName "k8s.rc.name" Text one None process Syscall no ApiServer "Name of the replication controller of the pod.";
    K8sRcId "k8s.rc.id" Text one None process Syscall no ApiServer "UID of the replication controller of the pod.";
    K8sRcLabel "k8s.rc.label" Text one Required process Syscall no ApiServer "One label of the replication controller of the pod.";
    K8sRcLabels "k8s.rc.labels" Text one None process Syscall no ApiServer "All labels of the replication controller of the pod.";
    K8sSvcName "k8s.svc.name" Text one None process Syscall no ApiServer "Name of the service of the pod.";
    K8sSvcId "k8s.svc.id" Text one None process Syscall no ApiServer "UID of the service of the pod.";
    K8sSvcLabel "k8s.svc.label" Text one Required process Syscall no ApiServer "One label of the service of the pod.";
    K8sSvcLabels "k8s.svc.labels" Text one None process Syscall no ApiServer "All labels of the service of the pod.";
    SyslogFacility "syslog.facility" Unsigned one None event Syscall no Syslog "Facility of a message to syslog.";
    SyslogFacilityStr "syslog.facility.str" Text one None event Syscall no Syslog "Name of `syslog.facility`.";
    SyslogSeverity "syslog.severity" Unsigned one None event Syscall no Syslog "Severity of a message to syslog.";
    SyslogSeverityStr "syslog.severity.str" Text one None event Syscall no Syslog "Name of `syslog.severity`.";
    SyslogMessage "syslog.message" Text one None event Syscall no Syslog "Text of a message to syslog.";
    SakerPodQos "saker.pod.qos" Text one None process Syscall yes Cgroup "`guaranteed`, `burstable` or `besteffort`, from the cgroup path.";
    SakerContainerMissing "saker.container.missing" Text one None process Syscall yes Derived "Why container or pod fields have no value, as `field=reason,field=reason`.";
    SakerProcEntered "saker.proc.entered" Bool one None process Syscall yes Entered "Whether it came into its container with a program of the outside and has run none since, as what a container runtime starts does; its path proves nothing.";
    SakerProcFromOutside "saker.proc.from_outside" Bool one None process Syscall yes Tree "Whether its parent is outside its container: the container's first process, and what `kubectl exec` starts.";
    SakerProcStartBootNs "saker.proc.start_boot_ns" Unsigned one None process Syscall yes Start "Start of the process, nanoseconds since boot: with `proc.pid` it names the process for ever.";
    SakerEnforced "saker.enforced" Text one None process Syscall yes Enforcement "What was done about the process because a rule forbids it: `killed`, `would_kill`, `protected`, `over_bound`, `failed` or `gone`.";
    SakerEnforcedBy "saker.enforced.by" Text one None process Syscall yes Enforcement "Rules whose action that was, comma-separated.";
    SakerProcChain "saker.proc.chain" Text one None process Syscall yes Tree "`proc.name` of up to eight ancestors, as `parent < grandparent`.";
    KaAuditid "ka.auditid" Text one None event Audit no Audit "Id of the request.";
    KaStage "ka.stage" Text one None event Audit no Audit "`RequestReceived`, `ResponseStarted`, `ResponseComplete` or `Panic`.";
    KaAuthDecision "ka.auth.decision" Text one None event Audit no Audit "`allow` or `forbid`.";
    KaAuthReason "ka.auth.reason" Text one None event Audit no Audit "Why it was allowed or forbidden.";
    KaAuthOpenshiftDecision "ka.auth.openshift.decision" Text one None event Audit no Audit "OpenShift's own decision.";
    KaAuthOpenshiftUsername "ka.auth.openshift.username" Text one None event Audit no Audit "User of OpenShift's decision.";
    KaSecurityPodViolations "ka.security.pod.violations" Text one None event Audit no Audit "Pod security standards the request violates.";
    KaValidationsAdmissionPolicyFailure "ka.validations.admission.policy.failure" Text one None event Audit no Audit "Failures of validating admission policies.";
    KaUserName "ka.user.name" Text one None event Audit no Audit "Who asks.";
    KaUserGroups "ka.user.groups" Text many None event Audit no Audit "Groups of who asks.";
    KaImpuserName "ka.impuser.name" Text one None event Audit no Audit "Whom they ask as.";
    KaVerb "ka.verb" Text one None event Audit no Audit "`get`, `list`, `create` and so on.";
    KaUri "ka.uri" Text one None event Audit no Audit "Path and query of the request.";
    KaUriParam "ka.uri.param" Text one Required event Audit no Audit "One parameter of the query.";
    KaTargetName "ka.target.name" Text one None event Audit no Audit "Name of the object.";
    KaTargetNamespace "ka.target.namespace" Text one None event Audit no Audit "Namespace of the object.";
    KaTargetResource "ka.target.resource" Text one None event Audit no Audit "Kind of the object, in the plural: `pods`.";
    KaTargetSubresource "ka.target.subresource" Text one None event Audit no Audit "What of the object is meant: `exec`.";
    KaTargetPodName "ka.target.pod.name" Text one None event Audit no Audit "Name of the pod the request is about.";
    KaReqBindingSubjects "ka.req.binding.subjects" Text many Index event Audit no Audit "Subjects of a role binding, as JSON.";
    KaReqBindingSubjectsUserNames "ka.req.binding.subjects.user_names" Text many Index event Audit no Audit "Users a role binding names.";
    KaReqBindingSubjectsServiceaccountNames "ka.req.binding.subjects.serviceaccount_names" Text many Index event Audit no Audit "Service accounts a role binding names.";
    KaReqBindingSubjectsServiceaccountNsNames "ka.req.binding.subjects.serviceaccount_ns_names" Text many Index event Audit no Audit "Service accounts a role binding names, as `namespace:name`.";
    KaReqBindingSubjectsGroupNames "ka.req.binding.subjects.group_names" Text many Index event Audit no Audit "Groups a role binding names.";
    KaReqBindingSubjectHasName "ka.req.binding.subject.has_name" Text one Required event Audit no Audit "Always `N/A`, as in Falco.";
    KaReqBindingRole "ka.req.binding.role" Text one None event Audit no Audit "Role of a role binding.";
    KaReqConfigmapName "ka.req.configmap.name" Text one None event Audit no Audit "Name of a config map.";
    KaReqConfigmapObj "ka.req.configmap.obj" Text one None event Audit no Audit "Data of a config map, as JSON.";
    KaReqRoleRules "ka.req.role.rules" Text many None event Audit no Audit "Rules of a role, as JSON.";
    KaReqRoleRulesApiGroups "ka.req.role.rules.apiGroups" Text many Index event Audit no Audit "API groups of a role's rules.";
    KaReqRoleRulesNonResourceURLs "ka.req.role.rules.nonResourceURLs" Text many Index event Audit no Audit "URLs of a role's rules.";
    KaReqRoleRulesVerbs "ka.req.role.rules.verbs" Text many Index event Audit no Audit "Verbs of a role's rules.";
    KaReqRoleRulesResources "ka.req.role.rules.resources" Text many Index event Audit no Audit "Resources of a role's rules.";
    KaReqServiceType "ka.req.service.type" Text one None event Audit no Audit "Type of a service.";
    KaReqServicePorts "ka.req.service.ports" Text many Index event Audit no Audit "Ports of a service, as JSON.";
    KaReqPodHostIpc "ka.req.pod.host_ipc" Text one None event Audit no Audit "`hostIPC` of a pod.";
    KaReqPodHostNetwork "ka.req.pod.host_network" Text one None event Audit no Audit "`hostNetwork` of a pod.";
    KaReqPodHostPid "ka.req.pod.host_pid" Text one None event Audit no Audit "`hostPID` of a pod.";
    KaReqPodRunAsUser "ka.req.pod.run_as_user" Text one None event Audit no Audit "`runAsUser` of a pod.";
    KaReqPodRunAsGroup "ka.req.pod.run_as_group" Text one None event Audit no Audit "`runAsGroup` of a pod.";
    KaReqPodFsGroup "ka.req.pod.fs_group" Text one None event Audit no Audit "`fsGroup` of a pod.";
    KaReqPodSupplementalGroups "ka.req.pod.supplemental_groups" Text many None event Audit no Audit "`supplementalGroups` of a pod.";
    KaReqPodVolumesHostpath "ka.req.pod.volumes.hostpath" Text many Index event Audit no Audit "Paths of the host a pod mounts.";
    KaReqPodVolumesFlexvolumeDriver "ka.req.pod.volumes.flexvolume_driver" Text many Index event Audit no Audit "Flexvolume drivers of a pod.";
    KaReqPodVolumesVolumeType "ka.req.pod.volumes.volume_type" Text many Index event Audit no Audit "Types of a pod's volumes.";
    KaReqVolumeHostpath "ka.req.volume.hostpath" Text one Required event Audit no Audit "`true` if a path of the host, or of this prefix with `*`, is mounted; deprecated.";
    KaReqPodContainersArgs "ka.req.pod.containers.args" Text many Index event Audit no Audit "`args` of each container, or of one by its number.";
    KaReqPodContainersCommand "ka.req.pod.containers.command" Text many Index event Audit no Audit "`command` of each container, or of one by its number.";
    KaReqPodContainersName "ka.req.pod.containers.name" Text many Index event Audit no Audit "Name of each container, or of one by its number.";
    KaReqPodContainersImage "ka.req.pod.containers.image" Text many Index event Audit no Audit "Image of each container, or of one by its number.";
    KaReqPodContainersImageRepository "ka.req.pod.containers.image.repository" Text many Index event Audit no Audit "Image up to its first `:` of each container, or of one by its number.";
    KaReqPodContainersHostPort "ka.req.pod.containers.host_port" Text many Index event Audit no Audit "Ports of the host of each container, or of one by its number.";
    KaReqPodContainersPrivileged "ka.req.pod.containers.privileged" Text many Index event Audit no Audit "`privileged` of each container, or of one by its number.";
    KaReqPodContainersAllowPrivilegeEscalation "ka.req.pod.containers.allow_privilege_escalation" Text many Index event Audit no Audit "`allowPrivilegeEscalation` of each container, or of one by its number.";
    KaReqPodContainersReadOnlyFs "ka.req.pod.containers.read_only_fs" Text many Index event Audit no Audit "`readOnlyRootFilesystem` of each container, or of one by its number.";
    KaReqPodContainersRunAsUser "ka.req.pod.containers.run_as_user" Text many Index event Audit no Audit "`runAsUser` of each container, or of one by its number.";
    KaReqPodContainersEffRunAsUser "ka.req.pod.containers.eff_run_as_user" Text many Index event Audit no Audit "User that will be used, 0 unless the container or its pod says another of each container, or of one by its number.";
    KaReqPodContainersRunAsGroup "ka.req.pod.containers.run_as_group" Text many Index event Audit no Audit "`runAsGroup` of each container, or of one by its number.";
    KaReqPodContainersEffRunAsGroup "ka.req.pod.containers.eff_run_as_group" Text many Index event Audit no Audit "Group that will be used, 0 unless the container or its pod says another of each container, or of one by its number.";
    KaReqPodContainersProcMount "ka.req.pod.containers.proc_mount" Text many Index event Audit no Audit "`procMount` of each container, or of one by its number.";
    KaReqPodContainersAddCapabilities "ka.req.pod.containers.add_capabilities" Text many Index event Audit no Audit "Added capabilities of each container, or of one by its number.";
    KaReqPodInitContainersArgs "ka.req.pod.initContainers.args" Text many Index event Audit no Audit "`args` of each init container, or of one by its number.";
    KaReqPodInitContainersCommand "ka.req.pod.initContainers.command" Text many Index event Audit no Audit "`command` of each init container, or of one by its number.";
    KaReqPodInitContainersName "ka.req.pod.initContainers.name" Text many Index event Audit no Audit "Name of each init container, or of one by its number.";
    KaReqPodInitContainersImage "ka.req.pod.initContainers.image" Text many Index event Audit no Audit "Image of each init container, or of one by its number.";
    KaReqPodInitContainersImageRepository "ka.req.pod.initContainers.image.repository" Text many Index event Audit no Audit "Image up to its first `:` of each init container, or of one by its number.";
    KaReqPodInitContainersHostPort "ka.req.pod.initContainers.host_port" Text many Index event Audit no Audit "Ports of the host of each init container, or of one by its number.";
    KaReqPodInitContainersPrivileged "ka.req.pod.initContainers.privileged" Text many Index event Audit no Audit "`privileged` of each init container, or of one by its number.";
    KaReqPodInitContainersAllowPrivilegeEscalation "ka.req.pod.initContainers.allow_privilege_escalation" Text many Index event Audit no Audit "`allowPrivilegeEscalation` of each init container, or of one by its number.";
    KaReqPodInitContainersReadOnlyFs "ka.req.pod.initContainers.read_only_fs" Text many Index event Audit no Audit "`readOnlyRootFilesystem` of each init container, or of one by its number.";
    KaReqPodInitContainersRunAsUser "ka.req.pod.initContainers.run_as_user" Text many Index event Audit no Audit "`runAsUser` of each init container, or of one by its number.";
    KaReqPodInitContainersEffRunAsUser "ka.req.pod.initContainers.eff_run_as_user" Text many Index event Audit no Audit "User that will be used, 0 unless the container or its pod says another of each init container, or of one by its number.";
    KaReqPodInitContainersRunAsGroup "ka.req.pod.initContainers.run_as_group" Text many Index event Audit no Audit "`runAsGroup` of each init container, or of one by its number.";
    KaReqPodInitContainersEffRunAsGroup "ka.req.pod.initContainers.eff_run_as_group" Text many Index event Audit no Audit "Group that will be used, 0 unless the container or its pod says another of each init container, or of one by its number.";
    KaReqPodInitContainersProcMount "ka.req.pod.initContainers.proc_mount" Text many Index event Audit no Audit "`procMount` of each init container, or of one by its number.";
    KaReqPodInitContainersAddCapabilities "ka.req.pod.initContainers.add_capabilities" Text many Index event Audit no Audit "Added capabilities of each init container, or of one by its number.";
    KaReqPodEphemeralContainersArgs "ka.req.pod.ephemeralContainers.args" Text many Index event Audit no Audit "`args` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersCommand "ka.req.pod.ephemeralContainers.command" Text many Index event Audit no Audit "`command` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersName "ka.req.pod.ephemeralContainers.name" Text many Index event Audit no Audit "Name of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersImage "ka.req.pod.ephemeralContainers.image" Text many Index event Audit no Audit "Image of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersImageRepository "ka.req.pod.ephemeralContainers.image.repository" Text many Index event Audit no Audit "Image up to its first `:` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersHostPort "ka.req.pod.ephemeralContainers.host_port" Text many Index event Audit no Audit "Ports of the host of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersPrivileged "ka.req.pod.ephemeralContainers.privileged" Text many Index event Audit no Audit "`privileged` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersAllowPrivilegeEscalation "ka.req.pod.ephemeralContainers.allow_privilege_escalation" Text many Index event Audit no Audit "`allowPrivilegeEscalation` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersReadOnlyFs "ka.req.pod.ephemeralContainers.read_only_fs" Text many Index event Audit no Audit "`readOnlyRootFilesystem` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersRunAsUser "ka.req.pod.ephemeralContainers.run_as_user" Text many Index event Audit no Audit "`runAsUser` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersEffRunAsUser "ka.req.pod.ephemeralContainers.eff_run_as_user" Text many Index event Audit no Audit "User that will be used, 0 unless the container or its pod says another of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersRunAsGroup "ka.req.pod.ephemeralContainers.run_as_group" Text many Index event Audit no Audit "`runAsGroup` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersEffRunAsGroup "ka.req.pod.ephemeralContainers.eff_run_as_group" Text many Index event Audit no Audit "Group that will be used, 0 unless the container or its pod says another of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersProcMount "ka.req.pod.ephemeralContainers.proc_mount" Text many Index event Audit no Audit "`procMount` of each ephemeral container, or of one by its number.";
    KaReqPodEphemeralContainersAddCapabilities "ka.req.pod.ephemeralContainers.add_capabilities" Text many Index event Audit no Audit "Added capabilities of each ephemeral container, or of one by its number.";
    KaReqContainerImage "ka.req.container.image" Text one None event Audit no Audit "Image of the first container; deprecated.";
    KaReqContainerImageRepository "ka.req.container.image.repository" Text one None event Audit no Audit "Repository of the first container's image; deprecated.";
    KaReqContainerHostNetwork "ka.req.container.host_network" Text one None event Audit no Audit "The same as `ka.req.pod.host_network`; deprecated.";
    KaReqContainerPrivileged "ka.req.container.privileged" Text one None event Audit no Audit "`true` if any container is privileged; deprecated.";
    KaRespName "ka.resp.name" Text one None event Audit no Audit "Name of the object in the answer.";
    KaResponseCode "ka.response.code" Text one None event Audit no Audit "Status of the answer.";
    KaResponseReason "ka.response.reason" Text one None event Audit no Audit "Why the answer is a failure.";
    KaUseragent "ka.useragent" Text one None event Audit no Audit "Program that asks.";
    KaSourceips "ka.sourceips" Text many Index event Audit no Audit "Always empty, as in Falco.";
    KaClusterName "ka.cluster.name" Text one None event Audit no Audit "Name of the cluster, where the audit's source says it.";
    JevtValue "jevt.value" Text one Required event Audit no Audit "Value at a JSON pointer, as in `[/objectRef/name]`.";
    JevtObj "jevt.obj" Text one None event Audit no Audit "The whole event, indented.";
    JevtRawtime "jevt.rawtime" Unsigned one None event Audit no Audit "Time of the event, nanoseconds since 1970.";
    JsonValue "json.value" Text one Required event Audit no Audit "The same as `jevt.value`.";
    JsonObj "json.obj" Text one None event Audit no Audit "The same as `jevt.obj`.";
    JsonRawtime "json.rawtime" Unsigned one None event Audit no Audit "The same as `jevt.rawtime`.";
}
