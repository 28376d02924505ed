/* The kernel's types as far as we read them; CO-RE puts in the offsets of the running kernel. */
#pragma once
#define __VMLINUX_H__ 1 /* makes bpf_tracing.h use the kernel's names in pt_regs */
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_endian.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
#define NULL ((void *)0)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct { unsigned int val; } kuid_t;
typedef struct { unsigned int val; } kgid_t;
typedef struct { u64 val; } kernel_cap_t; /* two u32 before 6.3: the same 8 bytes */

struct qstr {
	union { struct { u32 hash; u32 len; }; u64 hash_len; };
	const unsigned char *name;
};
struct super_block { u32 s_dev; unsigned long s_flags; unsigned long s_magic; };
struct timespec64 { s64 tv_sec; long tv_nsec; };
struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	unsigned int i_nlink;
	u32 i_rdev;
	s64 i_ctime_sec, i_mtime_sec; /* from 6.11 */
	u32 i_ctime_nsec, i_mtime_nsec;
};
struct inode___6_6 { struct timespec64 __i_ctime; };
struct inode___6_7 { struct timespec64 __i_mtime; };
struct inode___old { struct timespec64 i_ctime, i_mtime; };
struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
};
struct vfsmount { struct dentry *mnt_root; struct super_block *mnt_sb; int mnt_flags; };
struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};
struct path { struct vfsmount *mnt; struct dentry *dentry; };
struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	void *private_data;
};
struct fs_struct { struct path root, pwd; };
struct fdtable { unsigned int max_fds; struct file **fd; unsigned long *open_fds; };
struct files_struct { struct fdtable *fdt; };
struct percpu_counter { s64 count; };
struct mm_struct {
	unsigned long arg_start, arg_end, env_start, env_end;
	unsigned long total_vm;
	struct percpu_counter rss_stat[4]; /* from 6.2 */
	struct file *exe_file;
};
typedef struct { s64 counter; } atomic_long_t;
struct mm_rss_stat { atomic_long_t count[4]; };
struct mm_struct___6_1 { struct mm_rss_stat rss_stat; };
struct cred {
	kuid_t euid;
	kgid_t egid;
	kernel_cap_t cap_inheritable, cap_permitted, cap_effective;
};
struct task_struct;
struct pid_namespace { struct task_struct *child_reaper; };
struct upid { int nr; struct pid_namespace *ns; };
struct pid { unsigned int level; struct upid numbers[1]; };
struct kernfs_node { struct kernfs_node *parent; const char *name; u64 id; };
struct kernfs_node___6_15 { struct kernfs_node *__parent; };
struct cgroup { struct kernfs_node *kn; int level; };
struct cgroup_subsys_state { struct cgroup *cgroup; };
struct css_set { struct cgroup *dfl_cgrp; struct cgroup_subsys_state *subsys[16]; };
struct tty_driver { int major; int minor_start; };
struct tty_struct { int index; struct tty_driver *driver; };
typedef struct { int counter; } atomic_t;
struct rlimit { unsigned long rlim_cur; };
struct signal_struct {
	atomic_t live;
	struct tty_struct *tty;
	int group_exit_code;
	struct pid *pids[4];
	struct rlimit rlim[16];
};
struct thread_info { unsigned long flags; u32 status; };
struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	int pid;
	int tgid;
	int exit_code;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	u64 start_boottime;
	unsigned long min_flt, maj_flt;
	const struct cred *cred;
	char comm[16];
	struct mm_struct *mm;
	struct fs_struct *fs;
	struct files_struct *files;
	struct signal_struct *signal;
	struct pid *thread_pid;
	struct css_set *cgroups;
	kuid_t loginuid;
};
struct linux_binprm { const char *filename, *fdpath; };
struct in6_addr { union { u8 u6_addr8[16]; } in6_u; };
struct sock_common {
	union { struct { u32 skc_daddr; u32 skc_rcv_saddr; }; };
	union { struct { u16 skc_dport; u16 skc_num; }; };
	unsigned short skc_family;
	volatile unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};
struct sock { struct sock_common __sk_common; u16 sk_type; u16 sk_protocol; };
struct socket { short type; struct sock *sk; };
struct sockaddr_un { char sun_path[108]; };
struct unix_address { int len; struct sockaddr_un name[1]; };
struct unix_sock { struct unix_address *addr; struct sock *peer; };
struct open_how { u64 flags; u64 mode; u64 resolve; };
struct filename { const char *name; };
struct io_cqe { int fd; };
struct io_kiocb { u8 opcode; unsigned int flags; struct io_cqe cqe; };
struct io_open { int dfd; struct filename *filename; struct open_how how; };
struct io_connect { void *addr; int addr_len; };
struct io_rename { int old_dfd; int new_dfd; struct filename *oldpath, *newpath; int flags; };
struct io_link { int old_dfd; int new_dfd; struct filename *oldpath, *newpath; int flags; };
struct io_unlink { int dfd; int flags; struct filename *filename; };
struct io_mkdir { int dfd; unsigned short mode; struct filename *filename; };
struct io_accept { void *addr; int *addr_len; int flags; };
struct io_sr_msg { union { void *umsg; void *buf; }; int len; };
struct io_socket { int domain; int type; int protocol; };
struct io_bind { int addr_len; };
struct io_listen { int backlog; };
struct io_close { int fd; };
struct io_shutdown { int how; };

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip,
		cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs { u64 regs[31]; u64 sp, pc, pstate; };
struct pt_regs {
	union {
		struct user_pt_regs user_regs;
		struct { u64 regs[31]; u64 sp, pc, pstate; };
	};
	u64 orig_x0;
	int syscallno;
};
#endif

#pragma clang attribute pop

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define PF_KTHREAD 0x00200000
#define AT_FDCWD (-100)
#define O_CREAT 0100
#define O_TMPFILE_ALONE 020000000 /* without O_DIRECTORY, which always comes with it */
#if defined(__TARGET_ARCH_x86)
#define O_LARGEFILE 0100000
#else
#define O_LARGEFILE 0400000
#endif
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define EINPROGRESS 115
#define SB_RDONLY 1
#define MNT_READONLY 0x40
#define OVERLAYFS_MAGIC 0x794c7630

/* Keeps a bound in one register: verifiers before 6.8 do not carry it to a 32-bit copy. */
#define CLAMP(value, max) \
	asm volatile("if %0 <= %1 goto +1\n%0 = %1" : "+r"(value) : "i"(max))
