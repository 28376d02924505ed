//! Starts and forks, users, tracing, modules, memory, signals.

use alert::EventKind;

use super::{check, row};

#[test]
fn starts_and_forks_are_told_apart() {
    use EventKind::{Clone3, Execve, ExecveAt};
    check(&[
        row(
            "openat #-100 =/bin #0x10000 , execveat $0 =true @argv #0 #0",
            ExecveAt,
            "SUCCESS",
            &[("proc.name", "true"), ("proc.exe", "x")],
        ),
        row("execveat #-100 =/none @argv #0 #0", ExecveAt, "ENOENT", &[("proc.name", "calls*")]),
        row("execve =a @argv #0", Execve, "EACCES", &[("filename", "a"), ("proc.name", "calls*")]),
        row("clone3 @zero #64", Clone3, "SUCCESS", &[("flags", "0")]),
    ]);
    #[cfg(target_arch = "x86_64")]
    check(&[
        row("fork", EventKind::Fork, "SUCCESS", &[("flags", "0")]),
        row("vfork", EventKind::Vfork, "SUCCESS", &[("flags", "CLONE_VM|CLONE_VFORK")]),
        row("clone #17", EventKind::Clone, "SUCCESS", &[("flags", "0")]),
        row("clone #0x811", EventKind::Clone, "EINVAL", &[("flags", "CLONE_SIGHAND")]),
    ]);
}

#[test]
fn users_groups_and_capabilities_change() {
    use EventKind::{
        CapSet, Prctl, SetGid, SetNs, SetPgid, SetReGid, SetReUid, SetResGid, SetResUid, SetSid,
        SetUid, Unshare,
    };
    check(&[
        row("setuid #0", SetUid, "SUCCESS", &[("uid", "root")]),
        row("setuid #1 , setuid #0", SetUid, "EPERM", &[("uid", "root")]),
        row("setgid #0", SetGid, "SUCCESS", &[("gid", "root")]),
        row("setreuid #-1 #0", SetReUid, "SUCCESS", &[("ruid", "<NONE>"), ("euid", "root")]),
        row("setregid #-1 #0", SetReGid, "SUCCESS", &[("rgid", "<NONE>"), ("egid", "root")]),
        row("setresuid #0 #0 #0", SetResUid, "SUCCESS", &[("suid", "root")]),
        row("setresgid #0 #0 #0", SetResGid, "SUCCESS", &[("sgid", "root")]),
        row("setpgid #0 #0", SetPgid, "SUCCESS", &[("pgid", "0")]),
        row("setpgid #1 #0", SetPgid, "ESRCH", &[]),
        row("setsid", SetSid, "SUCCESS", &[]),
        row(
            "capset @caphead @caps",
            CapSet,
            "SUCCESS",
            &[("cap_effective", "200000"), ("cap_permitted", "200001"), ("cap_inheritable", "0")],
        ),
        row(
            "prctl #15 =renamed",
            Prctl,
            "SUCCESS",
            &[("option", "PR_SET_NAME"), ("arg2_str", "renamed")],
        ),
        row(
            "prctl #38 #1",
            Prctl,
            "SUCCESS",
            &[("option", "PR_SET_NO_NEW_PRIVS"), ("arg2_str", "<none>"), ("arg2_int", "1")],
        ),
        row("unshare #0x04000000", Unshare, "SUCCESS", &[("flags", "CLONE_NEWUTS")]),
        row(
            "openat #-100 =/proc/self/ns/uts #0 , setns $0 #0",
            SetNs,
            "SUCCESS",
            &[("fd.num", "3")],
        ),
        row("setns #99 #0x40000000", SetNs, "EBADF", &[("nstype", "CLONE_NEWNET")]),
    ]);
    #[cfg(target_arch = "x86_64")]
    check(&[
        // setuid of 16 bits and of 32.
        row("i386:23 #0", SetUid, "SUCCESS", &[("uid", "root")]),
        row("i386:213 #0", SetUid, "SUCCESS", &[("uid", "root")]),
    ]);
}

#[test]
fn other_processes_are_touched() {
    use EventKind::{Kill, ProcessVmReadv, ProcessVmWritev, Ptrace, Tgkill, Tkill};
    check(&[
        row("kill % #0", Kill, "SUCCESS", &[("pid", "calls*"), ("sig", "0")]),
        row("kill #0x3ffffff #9", Kill, "ESRCH", &[("sig", "SIGKILL")]),
        row("tkill % #18", Tkill, "SUCCESS", &[("sig", "SIGCONT")]),
        row("tgkill % % #18", Tgkill, "SUCCESS", &[("tid", "calls*"), ("sig", "SIGCONT")]),
        row("ptrace #16 #0x3ffffff", Ptrace, "ESRCH", &[("request", "PTRACE_ATTACH")]),
        row("ptrace #0", Ptrace, "SUCCESS", &[("request", "PTRACE_TRACEME")]),
        row(
            "process_vm_writev % @iov:planted #1 @iov:xxxxxxx #1",
            ProcessVmWritev,
            "SUCCESS",
            &[("data", "planted"), ("evt.rawres", "7")],
        ),
        row(
            "process_vm_readv % @iov:12345 #1 @iov:stolen #1",
            ProcessVmReadv,
            "SUCCESS",
            &[("data", "stole")],
        ),
    ]);
}

#[test]
fn the_kernel_is_given_code_and_other_things() {
    use EventKind::{
        Bpf, DeleteModule, FinitModule, InitModule, IoUringSetup, MemfdCreate, Mprotect,
        UserFaultFd,
    };
    check(&[
        row("init_module =code #4 =x=1", InitModule, "E*", &[("uargs", "x=1"), ("img", "code")]),
        row(
            "openat #-100 =a #0 , finit_module $0 =y=2 #1",
            FinitModule,
            "E*",
            &[("uargs", "y=2"), ("flags", "MODULE_INIT_IGNORE_MODVERSIONS"), ("fd", "<f>{dir}/a")],
        ),
        row(
            "delete_module =saker_none #0x800",
            DeleteModule,
            "E*",
            &[("name", "saker_none"), ("flags", "O_NONBLOCK")],
        ),
        row("bpf #5 @zero #64", Bpf, "E*", &[("cmd", "BPF_PROG_LOAD")]),
        row(
            "memfd_create =mark #1",
            MemfdCreate,
            "SUCCESS",
            &[
                ("name", "mark"),
                ("flags", "MFD_CLOEXEC"),
                ("fd.type", "memfd"),
                ("fd.name", "memfd:mark"),
                ("fd.num", "3"),
            ],
        ),
        row("memfd_create =mark #0x4000", MemfdCreate, "EINVAL", &[("fd.num", "-1")]),
        row(
            "mprotect #0 #0 #7",
            Mprotect,
            "SUCCESS",
            &[("prot", "PROT_READ|PROT_WRITE|PROT_EXEC")],
        ),
        row("io_uring_setup #0 @zero", IoUringSetup, "EINVAL", &[("entries", "0")]),
        row("userfaultfd #0x100", UserFaultFd, "EINVAL", &[]),
    ]);
}
