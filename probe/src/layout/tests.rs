//! The mirror is held to `include/event.h` by the C compiler.

use super::*;
use crate::mirror::{HeaderFile, structures};

const COUNTERS: [&str; size_of::<Counters>() / 8] = {
    let mut names = [""; size_of::<Counters>() / 8];
    names[counter::SEEN] = "seen";
    names[counter::MUTED] = "muted";
    names[counter::FILTERED] = "filtered";
    names[counter::LIMITED] = "limited";
    names[counter::SENT] = "sent";
    names[counter::LOST] = "lost";
    names[counter::TRUNCATED] = "truncated";
    names[counter::FAULTED] = "faulted";
    names
};

#[test]
fn every_size_and_offset_is_that_of_the_header_file() {
    let mut header = HeaderFile::new("event.h");
    structures! { header:
        "saker_header" = Header {
            kind, flags, length, time_ns, sequence, cpu, tid, pid, ppid, uid, gid, start_ns,
            cgroup, capabilities, result, permitted, login_uid, vtid,
        }
        "saker_stream" = Stream { mode, family, device }
        "saker_execve" = Execve {
            inode, ctime_ns, mtime_ns, inheritable, namespace_start_ns, files_max,
            virtual_pages, resident_pages, swapped_pages, faults_major, faults_minor, device,
            links, owner, group, mode, layer, read_only, tty, sid, group_id, virtual_group_id,
            files, input, output,
        }
        "saker_clone" = Fork {
            flags, parent_start_ns, namespace_start_ns, parent_pid, sid, group_id,
            virtual_group_id,
        }
        "saker_procexit" = ProcExit { status, reserved }
        "saker_open" = Open { inode, device, flags, create_mode, opened_flags, mode, reserved }
        "saker_connect" = Connect {
            descriptor, family, socket_type as type, protocol, local_port, remote_port,
            reserved, local, remote,
        }
        "saker_call" = Call { arguments }
        "saker_cgroup" = Cgroup { id, level, reserved }
        "saker_plan" = Plan { reading, with, flags, reserved }
        "saker_field" = Field { kind as type, length }
        "saker_descriptor" = Descriptor {
            inode, device, number, flags, mode, family, socket_type as type, protocol,
            local_port, remote_port, local, remote, state, reserved,
        }
    }
    let numbers = [
        ("SAKER_KIND_COUNT", Kind::ALL.len() as u64),
        ("SAKER_CALL_ARGUMENTS", CALL_ARGUMENTS as u64),
        ("SAKER_LAYER_NONE", layer::NONE.into()),
        ("SAKER_LAYER_UPPER", layer::UPPER.into()),
        ("SAKER_LAYER_LOWER", layer::LOWER.into()),
        ("SAKER_TRUNCATED", flag::TRUNCATED.into()),
        ("SAKER_FAULT", flag::FAULT.into()),
        ("SAKER_UNREACHABLE", flag::UNREACHABLE.into()),
        ("SAKER_IO_URING", flag::IO_URING.into()),
        ("SAKER_COMPAT", flag::COMPAT.into()),
        ("SAKER_NO_FILE", flag::NO_FILE.into()),
        ("SAKER_BASE_IS_CWD", flag::BASE_IS_CWD.into()),
        ("SAKER_FIELD_PATH", field::PATH.into()),
        ("SAKER_FIELD_RAW", field::RAW.into()),
        ("SAKER_FIELD_BASE", field::BASE.into()),
        ("SAKER_FIELD_ARGUMENTS", field::ARGUMENTS.into()),
        ("SAKER_FIELD_ENVIRONMENT", field::ENVIRONMENT.into()),
        ("SAKER_FIELD_CWD", field::CWD.into()),
        ("SAKER_FIELD_CGROUP", field::CGROUP.into()),
        ("SAKER_FIELD_CGROUP_V1", field::CGROUP_V1.into()),
        ("SAKER_FIELD_NAME", field::NAME.into()),
        ("SAKER_FIELD_UNIX", field::UNIX.into()),
        ("SAKER_FIELD_TEXT", field::TEXT.into()),
        ("SAKER_FIELD_DATA", field::DATA.into()),
        ("SAKER_FIELD_STRUCTURE", field::STRUCTURE.into()),
        ("SAKER_FIELD_ADDRESS", field::ADDRESS.into()),
        ("SAKER_FIELD_DESCRIPTOR", field::DESCRIPTOR.into()),
        ("SAKER_READ_NOTHING", Reading::Nothing as u64),
        ("SAKER_READ_PATH", Reading::Path as u64),
        ("SAKER_READ_TEXT", Reading::Text as u64),
        ("SAKER_READ_DESCRIPTOR", Reading::Descriptor as u64),
        ("SAKER_READ_ADDRESS", Reading::Address as u64),
        ("SAKER_READ_ADDRESS_BACK", Reading::AddressBack as u64),
        ("SAKER_READ_DATA", Reading::Data as u64),
        ("SAKER_READ_DATA_BACK", Reading::DataBack as u64),
        ("SAKER_READ_MESSAGE", Reading::Message as u64),
        ("SAKER_READ_MESSAGE_BACK", Reading::MessageBack as u64),
        ("SAKER_READ_VECTOR", Reading::Vector as u64),
        ("SAKER_READ_STRUCTURE", Reading::Structure as u64),
        ("SAKER_WITHOUT", WITHOUT.into()),
        ("SAKER_PLAN_MADE", plan::MADE.into()),
        ("SAKER_PLAN_FAILED", plan::FAILED.into()),
        ("SAKER_PLAN_MOVED", plan::MOVED.into()),
        ("SAKER_FIELD_ENFORCED", field::ENFORCED.into()),
        ("SAKER_OPERATION_SOCKETCALL", crate::program::SOCKETCALL.into()),
    ];
    let kinds = Kind::ALL.iter().zip(C_NAMES).map(|(kind, name)| (name, *kind as u64));
    let numbers = numbers.into_iter().chain(kinds);

    for (name, number) in numbers {
        header.number(name, number);
    }
    for (place, name) in COUNTERS.into_iter().enumerate() {
        header.offset("saker_counters", name, place * 8);
    }
    header.check();
}
