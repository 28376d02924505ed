//! Sockets, and descriptors that are copied and closed.

use alert::EventKind;

use super::{check, row};

#[test]
fn sockets_are_made_and_bound() {
    use EventKind::{Accept4, Bind, GetSockOpt, Listen, SetSockOpt, Shutdown, Socket, SocketPair};
    check(&[
        row(
            "socket #2 #1 #0",
            Socket,
            "SUCCESS",
            &[("domain", "AF_INET"), ("fd.type", "ipv4"), ("fd.num", "3"), ("fd.sockfamily", "ip")],
        ),
        row("socket #17 #3 #0", Socket, "SUCCESS", &[("domain", "AF_PACKET")]),
        row("socket #2 #99 #0", Socket, "EINVAL", &[("fd.num", "-1")]),
        row(
            "socket #2 #1 #0 , bind $0 @in:0 #16",
            Bind,
            "SUCCESS",
            &[("addr", "127.0.0.1:0"), ("fd.lip", "127.0.0.1"), ("fd.l4proto", "tcp")],
        ),
        row(
            "socket #1 #1 #0 , bind $0 @un:sock #110",
            Bind,
            "SUCCESS",
            &[("addr", "sock"), ("fd.type", "unix"), ("fd.name", "sock")],
        ),
        row("socket #2 #1 #0 , bind $0 @in:0 #3", Bind, "EINVAL", &[]),
        row(
            "socket #2 #1 #0 , bind $0 @in:0 #16 , listen $0 #5",
            Listen,
            "SUCCESS",
            &[("backlog", "5"), ("fd.sip", "127.0.0.1"), ("fd.typechar", "4")],
        ),
        row(
            "socket #2 #1 #0 , bind $0 @in:0 #16 , listen $0 #5 , socket #2 #1 #0 , \
             connect $3 @in:$0 #16 , accept4 $0 #0 #0 #0x80000",
            Accept4,
            "SUCCESS",
            &[
                ("fd.name", "127.0.0.1:*"),
                ("fd.is_server", "true"),
                ("fd.cip", "127.0.0.1"),
                ("fd.num", "5"),
                ("flags", "80000"),
            ],
        ),
        row("socketpair #1 #1 #0 @zero", SocketPair, "SUCCESS", &[("fd1", "3"), ("fd2", "4")]),
        row("socket #2 #2 #0 , shutdown $0 #1", Shutdown, "ENOTCONN", &[("how", "SHUT_WR")]),
        row(
            "socket #2 #2 #0 , setsockopt $0 #1 #6 @int:1 #4",
            SetSockOpt,
            "SUCCESS",
            &[("level", "SOL_SOCKET"), ("optname", "6"), ("fd.num", "3")],
        ),
        row("getsockopt #99 #1 #6 @zero @int:4", GetSockOpt, "EBADF", &[("level", "SOL_SOCKET")]),
    ]);
}

#[test]
fn datagrams_show_where_they_go_and_what_they_say() {
    use EventKind::{RecvFrom, RecvMmsg, RecvMsg, SendMmsg, SendMsg, SendTo};
    const TO_SELF: &str = "socket #2 #2 #0 , bind $0 @in:0 #16 , sendto $0 =hello #5 #0 @in:$0 #16";
    check(&[
        row(
            TO_SELF,
            SendTo,
            "SUCCESS",
            &[
                ("data", "hello"),
                ("size", "5"),
                ("fd.l4proto", "udp"),
                ("fd.rip", "127.0.0.1"),
                ("fd.sip", "127.0.0.1"),
                ("fd.name_changed", "true"),
            ],
        ),
        row("socket #2 #2 #0 , sendto $0 =x #1 #0 @in:0 #2", SendTo, "EINVAL", &[("fd.num", "3")]),
        row(
            "socket #2 #2 #0 , sendmsg $0 @msg:9/words #0",
            SendMsg,
            "SUCCESS",
            &[("data", "words"), ("size", "5"), ("fd.rport", "9"), ("fd.sport", "9")],
        ),
        row(
            "socket #2 #2 #0 , sendmmsg $0 @msg:9/many #1 #0",
            SendMmsg,
            "SUCCESS",
            &[("data", "many"), ("evt.rawres", "1")],
        ),
        row(
            "socket #2 #2 #0 , bind $0 @in:0 #16 , sendto $0 =hello #5 #0 @in:$0 #16 , \
             recvfrom $0 @zero #10 #0 @zero @int:16",
            RecvFrom,
            "SUCCESS",
            &[("data", "hello"), ("size", "10"), ("fd.rip", "127.0.0.1"), ("fd.l4proto", "udp")],
        ),
        row(
            "socket #2 #2 #0 , bind $0 @in:0 #16 , sendto $0 =hello #5 #0 @in:$0 #16 , \
             recvmsg $0 @msg:9/0123456789 #0",
            RecvMsg,
            "SUCCESS",
            &[("data", "hello"), ("size", "10"), ("fd.rip", "127.0.0.1")],
        ),
        row(
            "socket #2 #2 #0 , bind $0 @in:0 #16 , sendto $0 =hello #5 #0 @in:$0 #16 , \
             recvmmsg $0 @msg:9/0123456789 #1 #0 #0",
            RecvMmsg,
            "SUCCESS",
            &[("data", "hello"), ("evt.rawres", "1")],
        ),
        row("recvfrom #99 @zero #10 #0 #0 #0", RecvFrom, "EBADF", &[]),
    ]);
    #[cfg(target_arch = "x86_64")]
    check(&[
        // By the 32-bit table: socket.
        row("i386:359 #2 #2 #0", EventKind::Socket, "SUCCESS", &[("domain", "AF_INET")]),
    ]);
}

#[test]
fn descriptors_are_copied_and_closed() {
    use EventKind::{Close, Dup, Dup3};
    check(&[
        row(
            "openat #-100 =a #0 , dup $0",
            Dup,
            "SUCCESS",
            &[
                ("res", "<f>{dir}/a"),
                ("oldfd", "<f>{dir}/a"),
                ("fd.num", "4"),
                ("fd.name", "{dir}/a"),
            ],
        ),
        row(
            "socket #2 #1 #0 , dup3 $0 #0 #0x80000",
            Dup3,
            "SUCCESS",
            &[
                ("evt.rawres", "0"),
                ("fd.type", "ipv4"),
                ("newfd", "<4>"),
                ("flags", "O_RDONLY|O_CLOEXEC"),
            ],
        ),
        row("dup #99", Dup, "EBADF", &[("oldfd", "99"), ("fd.num", "-1")]),
        row("close #99", Close, "EBADF", &[("fd", "99")]),
    ]);
    #[cfg(target_arch = "x86_64")]
    check(&[row(
        "openat #-100 =d #0 , dup2 $0 #9",
        EventKind::Dup2,
        "SUCCESS",
        &[("fd.type", "directory"), ("fd.num", "9")],
    )]);
}
