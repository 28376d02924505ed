/* What is told of a process and its program, at exec and in the snapshot. */
#pragma once
#ifdef SAKER_SNAPSHOT
#include "path.h"
/* Nothing is ended for what it was before. */
static __always_inline void enforce_cgroup(void) {}
static __always_inline void enforce_cgroup_root(void) {}
static __always_inline void enforce_folder(const u8 *name, u64 length) {}
#else
#include "enforce.h"
#endif

enum { PIDTYPE_PGID = 2, PIDTYPE_SID = 3 };
enum { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES };
#define RLIMIT_NOFILE 7
#define FILES_WORDS_MAX 16

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
static __always_inline u8 layer_of(struct inode *inode)
{
	struct dentry *upper = NULL;
	if (BPF_CORE_READ(inode, i_sb, s_magic) != OVERLAYFS_MAGIC)
		return SAKER_LAYER_NONE;
	bpf_probe_read_kernel(&upper, sizeof(upper), (void *)inode + bpf_core_type_size(struct inode));
	return upper && BPF_CORE_READ(upper, d_inode) ? SAKER_LAYER_UPPER : SAKER_LAYER_LOWER;
}

static __always_inline void fill_stream(struct saker_stream *stream, struct task_struct *task,
					s32 descriptor)
{
	struct file *file = file_in(task, descriptor);
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

/* Returns when the first process of the task's pid namespace started. */
static __always_inline u64 namespace_start(struct task_struct *task)
{
	struct upid own = number_in(task->thread_pid, task->thread_pid->level);
	return BPF_CORE_READ(own.ns, child_reaper, start_boottime);
}

/* Returns the id of the task's process group in its own pid namespace. */
static __always_inline u32 virtual_group(struct task_struct *task)
{
	return number_in(task->signal->pids[PIDTYPE_PGID], task->thread_pid->level).nr;
}

static __always_inline u64 pages_of(struct mm_struct *mm, u32 counter)
{
	struct mm_struct___6_1 *old = (void *)mm;
	s64 count = 0;
	if (bpf_core_field_exists(old->rss_stat.count))
		bpf_core_read(&count, sizeof(count), &old->rss_stat.count[counter].counter);
	else
		/* By hand: an index is not relocated to the kernel's larger `percpu_counter`. */
		bpf_probe_read_kernel(&count, sizeof(count),
				      (void *)mm + bpf_core_field_offset(struct mm_struct, rss_stat) +
					      counter * bpf_core_type_size(struct percpu_counter) +
					      bpf_core_field_offset(struct percpu_counter, count));
	return count > 0 ? count : 0;
}

/* Returns how many of the first descriptors are open. */
static __always_inline u32 open_files(struct task_struct *task)
{
	struct fdtable *table = task->files->fdt;
	u32 count = 0, files_max = BPF_CORE_READ(table, max_fds);
	unsigned long *words = BPF_CORE_READ(table, open_fds);
	/* One by one: 6.1 and 6.12 have no stack left for all of them. */
	for (u32 i = 0; i < FILES_WORDS_MAX && i * 64 < files_max; i++) {
		u64 word = 0;
		bpf_probe_read_kernel(&word, sizeof(word), words + i);
		count += __builtin_popcountll(word);
	}
	return count;
}

/* Fills in what a process has of memory and files. */
static __always_inline void fill_usage(struct saker_execve *e, struct task_struct *task,
				       struct mm_struct *mm)
{
	e->files_max = task->signal->rlim[RLIMIT_NOFILE].rlim_cur;
	e->files = open_files(task);
	e->faults_major = task->maj_flt;
	e->faults_minor = task->min_flt;
	e->virtual_pages = mm->total_vm;
	e->resident_pages =
		pages_of(mm, MM_FILEPAGES) + pages_of(mm, MM_ANONPAGES) + pages_of(mm, MM_SHMEMPAGES);
	e->swapped_pages = pages_of(mm, MM_SWAPENTS);
}

static __always_inline void fill_executable(struct saker_execve *e, struct file *file)
{
	struct inode *inode = file->f_inode;
	e->inode = inode->i_ino;
	e->ctime_ns = ctime_of(inode);
	e->mtime_ns = mtime_of(inode);
	e->device = user_device(inode->i_sb->s_dev);
	e->links = inode->i_nlink;
	e->owner = inode->i_uid.val;
	e->group = inode->i_gid.val;
	e->mode = inode->i_mode;
	e->layer = layer_of(inode);
	e->read_only = (inode->i_sb->s_flags & SB_RDONLY) ||
		       (BPF_CORE_READ(file, f_path.mnt, mnt_flags) & MNT_READONLY);
}

/* Fills in a whole body; `mm` is the task's. */
static __always_inline void fill_process(struct saker_execve *e, struct task_struct *task,
					 struct mm_struct *mm)
{
	fill_executable(e, mm->exe_file);
	fill_usage(e, task, mm);
	bpf_core_read(&e->inheritable, 8, &task->cred->cap_inheritable);
	e->namespace_start_ns = namespace_start(task);
	e->tty = 0;
	struct tty_struct *tty = task->signal->tty;
	if (tty) {
		struct tty_driver *driver = BPF_CORE_READ(tty, driver);
		u32 minor = BPF_CORE_READ(driver, minor_start) + BPF_CORE_READ(tty, index);
		e->tty = user_device((u32)BPF_CORE_READ(driver, major) << 20 | minor);
	}
	e->sid = number_in(task->signal->pids[PIDTYPE_SID], 0).nr;
	e->group_id = number_in(task->signal->pids[PIDTYPE_PGID], 0).nr;
	e->virtual_group_id = virtual_group(task);
	fill_stream(&e->input, task, 0);
	fill_stream(&e->output, task, 1);
}
