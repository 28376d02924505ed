//! Sockets that connect.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use alert::{Connection, Detail, Event, EventKind};

use crate::{
    deed::{deed, run, run_status},
    watch::watch,
};

fn connection(event: &Event) -> &Connection {
    let Detail::Connect(connection) = &event.detail else { panic!("{event:?}") };
    connection
}

fn loopback(port: u16) -> Option<SocketAddr> {
    Some((Ipv4Addr::LOCALHOST, port).into())
}

#[test]
fn a_connection_shows_both_ends() {
    let Some(watch) = watch() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (deed_name, result) in [("tcp", 0), ("tcp-nonblocking", -115), ("tcp-mapped", 0)] {
        let pid = run(deed(deed_name).arg(port.to_string()));
        let event = watch.of(pid, EventKind::Connect, |_| true);
        let connection = connection(&event);
        assert_eq!(event.result, result, "{deed_name}");
        assert_eq!(connection.protocol.as_deref(), Some("tcp"), "{deed_name}");
        assert_eq!(connection.remote, loopback(port), "{deed_name}");
        let local = connection.local.unwrap();
        assert_eq!(local.ip(), Ipv4Addr::LOCALHOST, "{deed_name}");
        assert_ne!(local.port(), 0, "{deed_name}");
        assert!(connection.descriptor >= 3, "{deed_name}");
    }
}

#[test]
fn a_connection_through_io_uring_is_seen() {
    let Some(watch) = watch() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (pid, status) = run_status(deed("ring-connect").arg(port.to_string()));
    if status.code() == Some(2) {
        eprintln!("\n*** SKIPPED: this kernel has no io_uring\n");
        return;
    }
    let event = watch.of(pid, EventKind::Connect, |event| event.via_io_uring);
    assert_eq!(connection(&event).remote, loopback(port));
    assert_eq!(connection(&event).protocol.as_deref(), Some("tcp"));
}

#[test]
fn a_refused_connection_shows_where_it_was_to_go() {
    let Some(watch) = watch() else { return };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let pid = run(deed("tcp").arg(port.to_string()));
    let event = watch.of(pid, EventKind::Connect, |_| true);
    assert_eq!(event.result, -111);
    assert_eq!(connection(&event).remote, loopback(port));
}

#[test]
fn udp_and_unix_sockets_are_told() {
    let Some(watch) = watch() else { return };
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let pid = run(deed("udp").arg(port.to_string()));
    let event = watch.of(pid, EventKind::Connect, |_| true);
    assert_eq!(connection(&event).protocol.as_deref(), Some("udp"));
    assert_eq!(connection(&event).remote, loopback(port));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let pid = run(deed("unix").arg(&path));
    let event = watch.of(pid, EventKind::Connect, |_| true);
    assert_eq!((event.result, connection(&event).unix.as_deref()), (0, path.to_str()));
    assert_eq!(connection(&event).remote, None);

    let pid = run(deed("abstract").arg("saker-test"));
    let event = watch.of(pid, EventKind::Connect, |_| true);
    assert_eq!((event.result, connection(&event).unix.as_deref()), (-111, Some("@saker-test")));
}
