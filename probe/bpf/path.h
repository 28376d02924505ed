/* Full paths by walking dentries up to the root of the task, across mounts.
 *
 * The state of the walk is kept in map memory: the verifier then looks at one step only, where a
 * loop over local variables exceeds a million instructions on 6.18. */
#pragma once
#include "record.h"

#define COMPONENTS_MAX 512

#define MNT_OFFSET bpf_core_field_offset(struct mount, mnt)

enum { WALK_CUT = 1, WALK_UNREACHABLE = 2 };

/* Writes one name before what is there, with a slash in front of it if asked. */
static __always_inline int walk_name(struct scratch *s, const unsigned char *name, u64 length, u32 slash)
{
	u64 position = s->walk.position;
	CLAMP(length, 255);
	/* Not `< length + 1`: comparing a sum, 6.12 forgets the bound of what it was made from. */
	if (position <= length)
		return 1;
	position -= length;
	if (bpf_probe_read_kernel(&s->path[position & (PATH_BYTES - 1)], length, name))
		return 1;
	if (slash) {
		position -= 1;
		s->path[position & (PATH_BYTES - 1)] = '/';
	}
	s->walk.position = position;
	return 0;
}

/* Returns 1 when the walk is over. */
static __always_inline int walk_step(struct scratch *s)
{
	struct walk *w = &s->walk;
	struct dentry *dentry = w->dentry;
	struct { struct dentry *parent; struct qstr name; } part;

	if (dentry == w->root_dentry && w->mnt == w->root_mnt) {
		w->flags = 0;
		return 1;
	}
	if (bpf_core_field_offset(struct dentry, d_name) ==
	    bpf_core_field_offset(struct dentry, d_parent) + sizeof(void *)) {
		bpf_probe_read_kernel(&part, sizeof(part),
				      (void *)dentry + bpf_core_field_offset(struct dentry, d_parent));
	} else {
		part.parent = BPF_CORE_READ(dentry, d_parent);
		part.name.len = BPF_CORE_READ(dentry, d_name.len);
		part.name.name = BPF_CORE_READ(dentry, d_name.name);
	}
	if (dentry == w->mnt_root || dentry == part.parent) {
		struct mount *mount = w->mount;
		struct mount *above = BPF_CORE_READ(mount, mnt_parent);
		if (dentry != w->mnt_root) {
			/* memfd and the like: a dentry without parent outside any mount's tree. */
			w->flags = WALK_UNREACHABLE;
			walk_name(s, part.name.name, part.name.len, 0);
			return 1;
		}
		if (above == mount) {
			w->flags = w->root_dentry ? WALK_UNREACHABLE : 0;
			return 1;
		}
		w->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
		w->mount = above;
		w->mnt = (void *)above + MNT_OFFSET;
		w->mnt_root = BPF_CORE_READ(above, mnt.mnt_root);
		return 0;
	}
	if (walk_name(s, part.name.name, part.name.len, 1))
		return 1;
	w->dentry = part.parent;
	return 0;
}

static long walk_callback(u32 index, void *unused)
{
	u32 zero = 0;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	return s ? walk_step(s) : 1;
}

/* Appends the path up to the root in `s->walk`. Returns the walk's flags. */
static __noinline u32 put_walked(struct scratch *s, u16 type, struct vfsmount *mnt, struct dentry *dentry)
{
	struct walk *w = &s->walk;
	w->mnt = mnt;
	w->dentry = dentry;
	w->mnt_root = BPF_CORE_READ(mnt, mnt_root);
	w->mount = (void *)mnt - MNT_OFFSET;
	w->position = PATH_BYTES;
	w->flags = WALK_CUT;
	bpf_loop(COMPONENTS_MAX, walk_callback, NULL, 0);

	u64 position = w->position;
	if (position == PATH_BYTES && !(w->flags & WALK_CUT)) {
		position--;
		s->path[PATH_BYTES - 1] = '/';
	}
	CLAMP(position, PATH_BYTES);
	u8 *at = field_at(s, SAKER_PATH_MAX);
	if (!at)
		return w->flags;
	u64 length = PATH_BYTES - position;
	CLAMP(length, SAKER_PATH_MAX);
	bpf_probe_read_kernel(at + sizeof(struct saker_field), length, s->path + position);
	field_end(s, at, type, length);
	if (w->flags & WALK_CUT)
		header_of(s)->flags |= SAKER_TRUNCATED;
	return w->flags;
}

/* Appends a path as `task` sees it: inside its root. */
static __always_inline void put_path_of(struct scratch *s, u16 type, const struct path *path,
					struct task_struct *task)
{
	struct path copy;
	bpf_probe_read_kernel(&copy, sizeof(copy), path);
	s->walk.root_mnt = task->fs->root.mnt;
	s->walk.root_dentry = task->fs->root.dentry;
	u32 flags = put_walked(s, type, copy.mnt, copy.dentry);
	if (type == SAKER_FIELD_PATH && flags & WALK_UNREACHABLE)
		header_of(s)->flags |= SAKER_UNREACHABLE;
}

static __always_inline void put_path(struct scratch *s, u16 type, const struct path *path)
{
	put_path_of(s, type, path, current_task());
}

/* Returns the file behind a descriptor of a task, or NULL. */
static __always_inline struct file *file_in(struct task_struct *task, s32 descriptor)
{
	struct fdtable *table = task->files->fdt;
	struct file *file = NULL, **files;
	if (!table || descriptor < 0 || (u32)descriptor >= table->max_fds)
		return NULL;
	files = table->fd;
	bpf_probe_read_kernel(&file, sizeof(file), files + descriptor);
	return file;
}

/* The same of the current task. Another thread can have changed it since the call. */
static __always_inline struct file *file_of(s32 descriptor)
{
	return file_in(current_task(), descriptor);
}

/* Appends the directory at which a path starts, if it is relative: begins with anything but `/`. */
static __always_inline void put_base(struct scratch *s, char first, s32 directory)
{
	struct task_struct *task = current_task();
	if (first == '/')
		return;
	if (directory == AT_FDCWD) {
		header_of(s)->flags |= SAKER_BASE_IS_CWD;
		put_path(s, SAKER_FIELD_BASE, &task->fs->pwd);
		return;
	}
	struct file *file = file_of(directory);
	if (file)
		put_path(s, SAKER_FIELD_BASE, __builtin_preserve_access_index(&file->f_path));
}

/* Appends a path as typed, and the directory it starts at. */
static __always_inline void put_typed_path(struct scratch *s, s32 directory, const void *text)
{
	char first = 0;
	put_user_text(s, SAKER_FIELD_RAW, text);
	bpf_probe_read_user(&first, 1, text);
	put_base(s, first, directory);
}
