//! Files, directories, links, owners and mounts.

use alert::EventKind;

use super::{check, row};

#[test]
fn names_of_files_come_and_go() {
    use EventKind::{
        Link, LinkAt, Mkdir, MkdirAt, Mknod, MknodAt, Rename, RenameAt, RenameAt2, Rmdir, Symlink,
        SymlinkAt, Unlink, UnlinkAt,
    };
    check(&[
        row(
            "unlinkat #-100 =a #0",
            UnlinkAt,
            "SUCCESS",
            &[
                ("name", "{dir}/a"),
                ("dirfd", "AT_FDCWD"),
                ("fs.path.name", "{dir}/a"),
                ("fs.path.nameraw", "a"),
            ],
        ),
        row(
            "openat #-100 =d #0x10000 , unlinkat $0 =../d #0x200",
            UnlinkAt,
            "SUCCESS",
            &[("dirfd", "<d>{dir}/d"), ("name", "{dir}/d"), ("flags", "AT_REMOVEDIR")],
        ),
        row("unlinkat #-100 =none/x #0", UnlinkAt, "ENOENT", &[("name", "{dir}/none/x")]),
        row(
            "mkdirat #-100 =new #0750",
            MkdirAt,
            "SUCCESS",
            &[("path", "{dir}/new"), ("mode", "S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR")],
        ),
        row("mkdirat #-100 =d #0700", MkdirAt, "EEXIST", &[("path", "{dir}/d")]),
        row(
            "renameat2 #-100 =a #-100 =d/b #1",
            RenameAt2,
            "SUCCESS",
            &[
                ("oldpath", "{dir}/a"),
                ("newpath", "{dir}/d/b"),
                ("flags", "RENAME_NOREPLACE"),
                ("fs.path.source", "{dir}/a"),
                ("fs.path.target", "{dir}/d/b"),
            ],
        ),
        row("renameat2 #-100 =none #-100 =b #0", RenameAt2, "ENOENT", &[("newpath", "{dir}/b")]),
        row(
            "linkat #-100 =l #-100 =hard #0x400",
            LinkAt,
            "SUCCESS",
            &[("oldpath", "{dir}/l"), ("newpath", "{dir}/hard"), ("flags", "AT_SYMLINK_FOLLOW")],
        ),
        row(
            "symlinkat =/etc/shadow #-100 =d/s",
            SymlinkAt,
            "SUCCESS",
            &[("target", "/etc/shadow"), ("linkpath", "{dir}/d/s")],
        ),
        row("symlinkat =x #-100 =a", SymlinkAt, "EEXIST", &[("linkpath", "{dir}/a")]),
        row("mknodat #-100 =pipe #010600 #0", MknodAt, "SUCCESS", &[("path", "{dir}/pipe")]),
    ]);
    #[cfg(target_arch = "x86_64")]
    check(&[
        row("unlink =a", Unlink, "SUCCESS", &[("path", "{dir}/a")]),
        row("unlink =d", Unlink, "EISDIR", &[("path", "{dir}/d")]),
        row("rmdir =d", Rmdir, "SUCCESS", &[("path", "{dir}/d")]),
        row("rmdir =a", Rmdir, "ENOTDIR", &[("path", "{dir}/a")]),
        row("mkdir =new #0700", Mkdir, "SUCCESS", &[("path", "{dir}/new")]),
        row("mkdir =/proc/new #0700", Mkdir, "ENOENT", &[("path", "/proc/new")]),
        row("rename =a =./b", Rename, "SUCCESS", &[("oldpath", "{dir}/a"), ("newpath", "{dir}/b")]),
        row("rename =none =b", Rename, "ENOENT", &[("oldpath", "{dir}/none")]),
        row(
            "renameat #-100 =a #-100 =b",
            RenameAt,
            "SUCCESS",
            &[("olddirfd", "AT_FDCWD"), ("newpath", "{dir}/b")],
        ),
        row("link =a =b", Link, "SUCCESS", &[("oldpath", "{dir}/a"), ("newpath", "{dir}/b")]),
        row("link =d =b", Link, "EPERM", &[("oldpath", "{dir}/d")]),
        row(
            "symlink =/etc/shadow =s",
            Symlink,
            "SUCCESS",
            &[("target", "/etc/shadow"), ("linkpath", "{dir}/s")],
        ),
        row("symlink =x =a", Symlink, "EEXIST", &[("linkpath", "{dir}/a")]),
        row("mknod =pipe #010600 #0", Mknod, "SUCCESS", &[("path", "{dir}/pipe")]),
        row("mknod =a #010600 #0", Mknod, "EEXIST", &[("path", "{dir}/a")]),
    ]);
}

#[test]
fn modes_owners_and_lengths_change() {
    use EventKind::{
        Chmod, Chown, Fchmod, FchmodAt, Fchown, FchownAt, Ftruncate, Lchown, Truncate,
    };
    check(&[
        row(
            "fchmodat #-100 =a #04755",
            FchmodAt,
            "SUCCESS",
            &[
                ("filename", "{dir}/a"),
                ("mode", "S_IXOTH|S_IROTH|S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID"),
            ],
        ),
        row("fchmodat2 #-100 =a #0600 #0", FchmodAt, "SUCCESS", &[("filename", "{dir}/a")]),
        row(
            "openat #-100 =a #2 , fchmod $0 #0400",
            Fchmod,
            "SUCCESS",
            &[
                ("mode", "S_IRUSR"),
                ("fd", "<f>{dir}/a"),
                ("fd.name", "{dir}/a"),
                ("fd.directory", "{dir}"),
                ("fd.type", "file"),
            ],
        ),
        row("fchmod #99 #0400", Fchmod, "EBADF", &[("mode", "S_IRUSR")]),
        row(
            "fchownat #-100 =a #1 #-1 #0x100",
            FchownAt,
            "SUCCESS",
            &[("pathname", "{dir}/a"), ("gid", "<NONE>"), ("flags", "AT_SYMLINK_NOFOLLOW")],
        ),
        row(
            "openat #-100 =a #2 , fchown $0 #0 #0",
            Fchown,
            "SUCCESS",
            &[("uid", "root"), ("fd.name", "{dir}/a")],
        ),
        row("truncate =a #2", Truncate, "SUCCESS", &[("path", "{dir}/a"), ("length", "2")]),
        row("truncate =d #2", Truncate, "EISDIR", &[("path", "{dir}/d")]),
        row(
            "openat #-100 =a #2 , ftruncate $0 #3",
            Ftruncate,
            "SUCCESS",
            &[("length", "3"), ("fd.filename", "a")],
        ),
    ]);
    #[cfg(target_arch = "x86_64")]
    check(&[
        row("chmod =l #0777", Chmod, "SUCCESS", &[("filename", "{dir}/l")]),
        row("chmod =none #0777", Chmod, "ENOENT", &[("filename", "{dir}/none")]),
        row("chown =a #0 #0", Chown, "SUCCESS", &[("path", "{dir}/a"), ("uid", "root")]),
        row("lchown =l #0 #0", Lchown, "SUCCESS", &[("path", "{dir}/l"), ("gid", "root")]),
        row("lchown =none #0 #0", Lchown, "ENOENT", &[("path", "{dir}/none")]),
        // By the 32-bit table: chmod, mkdir, rename.
        row("i386:15 =a #0700", Chmod, "SUCCESS", &[("filename", "{dir}/a")]),
        row("i386:39 =new #0700", EventKind::Mkdir, "SUCCESS", &[("path", "{dir}/new")]),
        row("i386:38 =none =b", EventKind::Rename, "ENOENT", &[("newpath", "{dir}/b")]),
    ]);
}

#[test]
fn mounts_and_directories_move() {
    use EventKind::{Chdir, Chroot, Fchdir, Mount, MoveMount, OpenByHandleAt, PivotRoot, Umount2};
    check(&[
        row(
            "unshare #0x20000 , mount =none =d =tmpfs #6 =size=4k",
            Mount,
            "SUCCESS",
            &[("dev", "none"), ("dir", "{dir}/d"), ("type", "tmpfs"), ("flags", "NOSUID|NODEV")],
        ),
        row("mount =none =none =tmpfs #0 #0", Mount, "ENOENT", &[("dir", "{dir}/none")]),
        row("umount2 =d #2", Umount2, "EINVAL", &[("name", "{dir}/d"), ("flags", "DETACH")]),
        row(
            "move_mount #-100 =a #-100 =d #0",
            MoveMount,
            "E*",
            &[("oldpath", "{dir}/a"), ("newpath", "{dir}/d")],
        ),
        row("pivot_root =d =d", PivotRoot, "E*", &[("oldpath", "{dir}/d")]),
        row("chdir =d", Chdir, "SUCCESS", &[("path", "d"), ("proc.cwd", "{dir}/d/")]),
        row("chdir =a", Chdir, "ENOTDIR", &[("path", "a"), ("proc.cwd", "{dir}/")]),
        row(
            "openat #-100 =d #0x10000 , fchdir $0",
            Fchdir,
            "SUCCESS",
            &[("fd", "<d>{dir}/d"), ("proc.cwd", "{dir}/d/")],
        ),
        row("chroot =d", Chroot, "SUCCESS", &[("path", "{dir}/d")]),
        row("chroot =a", Chroot, "ENOTDIR", &[("path", "{dir}/a")]),
        row(
            "open_by_handle_at #-100 @handle:a #0x800",
            OpenByHandleAt,
            "SUCCESS",
            &[
                ("fd.name", "{dir}/a"),
                ("fd.resolved", "{dir}/a"),
                ("fd.num", "3"),
                ("evt.is_open_read", "true"),
                ("path", "{dir}/a"),
            ],
        ),
        row("open_by_handle_at #-100 @zero #0", OpenByHandleAt, "EINVAL", &[("fd.num", "-1")]),
    ]);
}
