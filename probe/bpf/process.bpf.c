/* Life of processes: exec with full context, fork, exit. */
#include "enforce.h"

enum { PIDTYPE_SID = 3 };

/* Returns the number of a pid in the pid namespace `level` deep, or its own when that is ~0. */
static __always_inline u32 pid_number(struct pid *pid, u32 level)
{
	u32 number = 0;
	if (!pid)
		return 0;
	u64 depth = level;
	if (level == ~0u)
		depth = BPF_CORE_READ(pid, level);
	/* Linux nests 32 deep at most. 6.1 adds only a bounded number to a kernel pointer, and must
	 * see the bound on the very register that is added: hence by hand. */
	asm volatile("%0 &= 63" : "+r"(depth));
	void *numbers = (void *)pid + bpf_core_field_offset(struct pid, numbers);
	bpf_probe_read_kernel(&number, sizeof(number),
			      numbers + depth * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, nr));
	return number;
}

static __always_inline s64 nanoseconds(s64 seconds, s64 rest)
{
	return seconds * 1000000000ll + rest;
}

static __always_inline s64 ctime_of(struct inode *inode)
{
	if (bpf_core_field_exists(inode->i_ctime_sec))
		/* From 6.13 the highest bit tells that the time was looked at. */
		return nanoseconds(BPF_CORE_READ(inode, i_ctime_sec),
				   BPF_CORE_READ(inode, i_ctime_nsec) & 0x7fffffff);
	struct inode___6_6 *renamed = (void *)inode;
	if (bpf_core_field_exists(renamed->__i_ctime))
		return nanoseconds(BPF_CORE_READ(renamed, __i_ctime.tv_sec),
				   BPF_CORE_READ(renamed, __i_ctime.tv_nsec));
	struct inode___old *old = (void *)inode;
	if (bpf_core_field_exists(old->i_ctime))
		return nanoseconds(BPF_CORE_READ(old, i_ctime.tv_sec), BPF_CORE_READ(old, i_ctime.tv_nsec));
	return 0;
}

static __always_inline s64 mtime_of(struct inode *inode)
{
	if (bpf_core_field_exists(inode->i_mtime_sec))
		return nanoseconds(BPF_CORE_READ(inode, i_mtime_sec), BPF_CORE_READ(inode, i_mtime_nsec));
	struct inode___6_7 *renamed = (void *)inode;
	if (bpf_core_field_exists(renamed->__i_mtime))
		return nanoseconds(BPF_CORE_READ(renamed, __i_mtime.tv_sec),
				   BPF_CORE_READ(renamed, __i_mtime.tv_nsec));
	struct inode___old *old = (void *)inode;
	if (bpf_core_field_exists(old->i_mtime))
		return nanoseconds(BPF_CORE_READ(old, i_mtime.tv_sec), BPF_CORE_READ(old, i_mtime.tv_nsec));
	return 0;
}

/* An overlay inode is followed in memory by its dentry in the upper layer, if it has one. */
static __always_inline u8 in_upper_layer(struct inode *inode)
{
	struct dentry *upper = NULL;
	if (BPF_CORE_READ(inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return 0;
	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode));
	return upper && BPF_CORE_READ(upper, d_inode);
}

static __always_inline void fill_stream(struct saker_stream *stream, s32 descriptor)
{
	struct file *file = file_of(descriptor);
	stream->mode = stream->family = stream->device = 0;
	if (!file)
		return;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	stream->mode = BPF_CORE_READ(inode, i_mode);
	stream->device = BPF_CORE_READ(inode, i_rdev);
	if ((stream->mode & S_IFMT) == S_IFSOCK) {
		struct socket *socket = BPF_CORE_READ(file, private_data);
		stream->family = BPF_CORE_READ(socket, sk, __sk_common.skc_family);
	}
}

/* One step of a walk up the cgroup tree; `walk.dentry` holds the node. Returns 1 at the root. */
static long cgroup_callback(u32 index, void *unused)
{
	u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	if (!s)
		return 1;
	struct kernfs_node *node = (void *)s->walk.dentry, *above;
	struct kernfs_node___6_15 *renamed = (void *)node;
	if (bpf_core_field_exists(renamed->__parent))
		above = (void *)BPF_CORE_READ(renamed, __parent);
	else
		above = BPF_CORE_READ(node, parent);
	if (!above) {
		enforce_cgroup_root();
		return 1;
	}
	/* The name is copied to the second half first: its length is not known before. */
	u8 *name = s->path + PATH_BYTES;
	long length = bpf_probe_read_kernel_str(name, 256, BPF_CORE_READ(node, name));
	if (length <= 1 || walk_name(s, name, length - 1, 1))
		return 1;
	enforce_folder(name, length - 1);
	s->walk.dentry = (void *)above;
	return 0;
}

static __noinline void put_cgroup(struct scratch *s, u16 type, struct cgroup *cgroup)
{
	s->walk.dentry = (void *)BPF_CORE_READ(cgroup, kn);
	s->walk.position = PATH_BYTES;
	enforce_cgroup();
	bpf_loop(32, cgroup_callback, NULL, 0);
	u64 position = s->walk.position;
	CLAMP(position, PATH_BYTES);
	u8 *at = field_at(s, SAKER_CGROUP_MAX);
	if (!at)
		return;
	u64 length = PATH_BYTES - position;
	CLAMP(length, SAKER_CGROUP_MAX);
	bpf_probe_read_kernel(at + sizeof(struct saker_field), length, s->path + position);
	field_end(s, at, type, length);
}

/* Appends the cgroup in the unified hierarchy and, where old ones are in use, the deepest there. */
static __always_inline void put_cgroups(struct scratch *s, struct task_struct *task)
{
	struct css_set *set = task->cgroups;
	struct cgroup *deepest = NULL;
	int deepest_level = 0;
	put_cgroup(s, SAKER_FIELD_CGROUP, set->dfl_cgrp);
	for (int i = 0; i < 12; i++) {
		struct cgroup_subsys_state *state = NULL;
		bpf_probe_read_kernel(&state, sizeof(state),
				      (void *)set + bpf_core_field_offset(struct css_set, subsys) +
					      i * sizeof(void *));
		if (!state)
			continue;
		struct cgroup *cgroup = BPF_CORE_READ(state, cgroup);
		int level = BPF_CORE_READ(cgroup, level);
		if (cgroup != set->dfl_cgrp && level > deepest_level) {
			deepest = cgroup;
			deepest_level = level;
		}
	}
	if (deepest)
		put_cgroup(s, SAKER_FIELD_CGROUP_V1, deepest);
}

/* Returns the number of the call the task is in. */
static __always_inline u32 number_of_call(struct task_struct *task)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)task);
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(regs, orig_ax);
#else
	return BPF_CORE_READ(regs, syscallno);
#endif
}

/* The number of the call is gone: an exec on x86 puts that of execve there (`set_personality_64bit`).
 * The kernel makes `fdpath` for a program found from a descriptor; without one both calls are the
 * same. */
static __always_inline u32 exec_kind(struct linux_binprm *bprm)
{
	return bprm->fdpath ? SAKER_EXECVEAT : SAKER_EXECVE;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	u32 kind = exec_kind(bprm);
	struct scratch *s = begin(kind, task, sizeof(struct saker_execve));
	if (!s)
		return 0;
	struct saker_execve *e = body_of(s);
	struct mm_struct *mm = task->mm;
	struct file *file = mm->exe_file;
	struct inode *inode = file->f_inode;
	e->inode = inode->i_ino;
	e->ctime_ns = ctime_of(inode);
	e->mtime_ns = mtime_of(inode);
	e->device = user_device(inode->i_sb->s_dev);
	e->links = inode->i_nlink;
	e->owner = inode->i_uid.val;
	e->group = inode->i_gid.val;
	e->mode = inode->i_mode;
	e->upper_layer = in_upper_layer(inode);
	e->read_only = (inode->i_sb->s_flags & SB_RDONLY) ||
		       (BPF_CORE_READ(file, f_path.mnt, mnt_flags) & MNT_READONLY);
	e->login_uid = bpf_core_field_exists(task->loginuid) ? task->loginuid.val : ~0u;
	e->tty = 0;
	struct tty_struct *tty = task->signal->tty;
	if (tty) {
		struct tty_driver *driver = BPF_CORE_READ(tty, driver);
		u32 minor = BPF_CORE_READ(driver, minor_start) + BPF_CORE_READ(tty, index);
		e->tty = user_device((u32)BPF_CORE_READ(driver, major) << 20 | minor);
	}
	e->sid = pid_number(task->signal->pids[PIDTYPE_SID], 0);
	e->vpid = pid_number(task->thread_pid, ~0u);
	e->reserved = 0;
	fill_stream(&e->input, 0);
	fill_stream(&e->output, 1);

	put_path(s, SAKER_FIELD_PATH, __builtin_preserve_access_index(&file->f_path));
	enforce_path(s);
	put_user_range(s, SAKER_FIELD_ARGUMENTS, mm->arg_start, mm->arg_end, SAKER_ARGUMENTS_MAX);
	put_kernel_text(s, SAKER_FIELD_NAME, task->comm);
	put_path(s, SAKER_FIELD_CWD, &task->fs->pwd);
	put_kernel_text(s, SAKER_FIELD_RAW, bprm->filename);
	put_cgroups(s, task);
	if (saker_environment)
		put_user_range(s, SAKER_FIELD_ENVIRONMENT, mm->env_start, mm->env_end,
			       SAKER_ENVIRONMENT_MAX);
	enforce_exec(s, task);
	send(s, &prio, kind);
	return 0;
}

struct fork { u32 kind; u64 flags; };

/* How the current task was asked to be forked; by the kernel itself without flags. */
static __always_inline struct fork fork_of(struct task_struct *parent)
{
	struct fork fork = { SAKER_CLONE, 0 };
	if (parent->flags & PF_KTHREAD)
		return fork;
	struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)parent);
	u32 number = number_of_call(parent);
#if defined(__TARGET_ARCH_x86)
	u32 compat = parent->thread_info.status & 2; /* TS_COMPAT */
	u64 first = compat ? BPF_CORE_READ(regs, bx) : BPF_CORE_READ(regs, di);
	const u32 clone = compat ? 120 : 56, vfork = compat ? 190 : 58, plain = compat ? 2 : 57;
#else
	u32 compat = parent->thread_info.flags >> 22 & 1; /* TIF_32BIT */
	u64 first = BPF_CORE_READ(regs, orig_x0);
	const u32 clone = compat ? 120 : 220, vfork = compat ? 190 : ~0u, plain = compat ? 2 : ~0u;
#endif
	if (number == clone) {
		fork.flags = first & ~0xffull; /* the low byte is the signal */
	} else if (number == 435) {
		fork.kind = SAKER_CLONE3;
		bpf_probe_read_user(&fork.flags, sizeof(fork.flags), (void *)first);
	} else if (number == vfork) {
		fork.kind = SAKER_VFORK;
		fork.flags = 0x4100; /* CLONE_VM | CLONE_VFORK */
	} else if (number == plain) {
		fork.kind = SAKER_FORK;
	}
	return fork;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	if (child->tgid == parent->tgid)
		return 0; /* a thread */
	struct fork fork = fork_of(parent);
	struct scratch *s = begin(fork.kind, child, sizeof(struct saker_clone));
	if (!s)
		return 0;
	struct saker_clone *e = body_of(s);
	e->flags = fork.flags;
	e->parent_pid = child->real_parent->tgid;
	e->parent_start_ns = child->real_parent->group_leader->start_boottime;
	e->vpid = pid_number(child->thread_pid, ~0u);
	send(s, &prio, fork.kind);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	if (task->signal->live.counter > 0)
		return 0; /* a thread of a process that goes on */
	struct scratch *s = begin(SAKER_PROCEXIT, task, sizeof(struct saker_procexit));
	if (!s)
		return 0;
	struct saker_procexit *e = body_of(s);
	int group_code = task->signal->group_exit_code;
	e->status = group_code ? group_code : task->exit_code;
	e->reserved = 0;
	send(s, &prio, SAKER_PROCEXIT);
	return 0;
}
