//! What io_uring is asked for instead of the kernel's own calls; its outcome is not known.

use alert::EventKind;

use super::{check, row};

#[test]
fn names_of_files_change_without_a_call() {
    use EventKind::{LinkAt, MkdirAt, RenameAt2, SymlinkAt, UnlinkAt};
    check(&[
        row(
            "ring:35 #-100 =a #-100 =d/b #1",
            RenameAt2,
            "SUCCESS",
            &[
                ("oldpath", "{dir}/a"),
                ("newpath", "{dir}/d/b"),
                ("flags", "RENAME_NOREPLACE"),
                ("evt.via", "io_uring"),
            ],
        ),
        row(
            "openat #-100 =d #0x10000 , ring:36 $0 =../a",
            UnlinkAt,
            "SUCCESS",
            &[("dirfd", "<d>{dir}/d"), ("name", "{dir}/a")],
        ),
        row(
            "ring:37 #-100 =new #0700",
            MkdirAt,
            "SUCCESS",
            &[("path", "{dir}/new"), ("mode", "S_IXUSR|S_IWUSR|S_IRUSR")],
        ),
        row(
            "ring:38 #-100 =/etc/shadow #0 =s",
            SymlinkAt,
            "SUCCESS",
            &[("target", "/etc/shadow"), ("linkpath", "{dir}/s")],
        ),
        row(
            "ring:39 #-100 =a #-100 =/etc/x #0",
            LinkAt,
            "SUCCESS",
            &[("oldpath", "{dir}/a"), ("newpath", "/etc/x")],
        ),
    ]);
}

#[test]
fn sockets_are_used_without_a_call() {
    use EventKind::{Accept4, Close, Listen, RecvFrom, SendMsg, SendTo, Shutdown, Socket};
    check(&[
        row("ring:45 #17 #0 #0 #3", Socket, "SUCCESS", &[("domain", "AF_PACKET"), ("type", "3")]),
        row(
            "socket #2 #2 #0 , connect $0 @in:9 #16 , ring:26 $0 =hello #5",
            SendTo,
            "SUCCESS",
            &[("data", "hello"), ("fd.sip", "127.0.0.1"), ("fd.sport", "9")],
        ),
        row(
            "socket #2 #2 #0 , ring:9 $0 @msg:9/words #1",
            SendMsg,
            "SUCCESS",
            &[("data", "words"), ("fd.rport", "9")],
        ),
        row("ring:27 #0 @zero #7", RecvFrom, "SUCCESS", &[("size", "7")]),
        row(
            "socket #2 #1 #0 , ring:13 $0 #0 #0 #0 #0x80000",
            Accept4,
            "SUCCESS",
            &[("flags", "80000")],
        ),
        row("socket #2 #1 #0 , ring:34 $0 #0 #2", Shutdown, "SUCCESS", &[("how", "SHUT_RDWR")]),
        row("socket #2 #1 #0 , ring:19 $0", Close, "SUCCESS", &[("fd", "3")]),
    ]);
    // From Linux 6.11.
    check(&[row(
        "socket #2 #1 #0 , ring:57 $0 #0 #5",
        Listen,
        "SUCCESS",
        &[("backlog", "5"), ("fd.num", "3")],
    )]);
}
