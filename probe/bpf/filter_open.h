/* The short way for opens that no rule wants: nine of ten end here, before a record is begun.
 *
 * What the paths of an open add to its groups is remembered by the very text of both: the names from
 * the file up to the root of the task, and what was typed. Both are compared in full each time, so
 * nothing that is remembered can become wrong: not by renames, not by mounts, not by another root. */
#pragma once
#include "filter.h"

#define NAMES_MAX 16
#define NAME_WORDS 5
#define TYPED_WORDS 12
#define MEMOS 256 /* of each processor */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
union shortname_store { unsigned char string[40]; };
struct dentry___6_14 { union shortname_store d_shortname; };
struct dentry___inline { unsigned char d_iname[32]; };
struct vm_area_struct { struct file *vm_file; };
#pragma clang attribute pop

/* A name as it lies in its dentry, with whatever lies behind it. */
struct name {
	u64 words[NAME_WORDS];
	u64 length;
};

/* What was found of opens like this one, and all that it was found from. */
struct memo {
	u64 generation;         /* of the tables; 0: nothing is remembered here */
	volatile u64 turn;      /* how often it was written: who is interrupted sees that it was */
	struct saker_mask left;
	u64 asked;              /* flags: those asked for, and above them those of the opened file */
	u64 modes;              /* of creation, and above it that of the inode */
	s64 result_min, result_max;
	u32 kind;
	u32 names_count;        /* 0 if it failed */
	u32 typed_length;
	u32 base;               /* names below the directory that the typed path starts at; 0: absolute */
	u32 met;                /* the same of the walk that learns; in map memory, which verifiers forget */
	u32 by_task;            /* the user decides as well */
	struct name names[NAMES_MAX];
	u64 typed[TYPED_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MEMOS);
	__type(key, u32);
	__type(value, struct memo);
} memos SEC(".maps");

/* Files that rules name by their full path, each at the place of its inode's number. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SAKER_KNOWN_PLACES);
	__type(key, u32);
	__type(value, struct saker_known_file);
} known_files SEC(".maps");

/* A typed path that is short; what lies behind it is of no meaning. */
struct typed_path {
	u64 words[TYPED_WORDS];
	u64 length;
};

/* Where the paths of what is learnt are put together. What is in map memory verifiers forget: they
 * look at what follows once, and not once for each number of names. */
struct texts {
	u8 path[PATH_BYTES];    /* of the names */
	u8 typed[PATH_BYTES];
	volatile u64 length;    /* of the path */
	volatile u64 below_base; /* of it */
	struct progress progress;
	struct typed_path asked; /* for which the stack has no room */
	u64 busy;               /* somebody learns here, and may have been interrupted */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct texts);
} texts SEC(".maps");

/* What is asked for, and what came of it. */
struct opening {
	u32 kind;
	s32 directory;
	long result;
	const void *typed;
	u32 flags, mode;
	u64 file;               /* where it has no descriptor yet; else 0 */
};

static __always_inline u64 inline_name(void)
{
	if (bpf_core_field_exists(((struct dentry___6_14 *)0)->d_shortname))
		return bpf_core_field_offset(struct dentry___6_14, d_shortname);
	return bpf_core_field_offset(struct dentry___inline, d_iname);
}

static __always_inline u64 inline_name_size(void)
{
	if (bpf_core_field_exists(((struct dentry___6_14 *)0)->d_shortname))
		return bpf_core_field_size(struct dentry___6_14, d_shortname);
	return bpf_core_field_size(struct dentry___inline, d_iname);
}

static __always_inline u64 word_of(struct dentry *dentry, u32 index)
{
	if (8 * index + 8 > inline_name_size())
		return 0;
	return *(u64 *)((void *)dentry + inline_name() + 8 * index);
}

/* Returns the open file of a descriptor of the current task. */
static __always_inline struct file *typed_file(struct task_struct *task, u64 descriptor)
{
	struct fdtable *table = task->files->fdt;
	if (descriptor >= table->max_fds)
		return NULL;
	/* Only a pointer inside a structure is loaded with its type: one that holds a file. */
	void *slot = (void *)table->fd + descriptor * sizeof(void *);
	return TYPED(struct vm_area_struct, slot - bpf_core_field_offset(struct vm_area_struct, vm_file))
		->vm_file;
}

/* Returns the file that was opened. One that is looked up anew may be another. */
static __always_inline struct file *opened_file(struct task_struct *task, const struct opening *o)
{
	return o->file ? TYPED(struct file, (void *)o->file) : typed_file(task, o->result);
}

/* A walk from a file to the root of the task, over mounts. */
struct climb {
	struct dentry *dentry, *mnt_root, *root_dentry, *base_dentry;
	struct vfsmount *mnt, *root_mnt, *base_mnt;
};

/* `directory` is where the typed path starts. Returns 0 if it is there. */
static __always_inline int start_climb(struct climb *c, struct task_struct *task, struct file *file,
				       s32 directory)
{
	struct fs_struct *fs = task->fs;
	c->dentry = file->f_path.dentry;
	c->mnt = file->f_path.mnt;
	c->mnt_root = c->mnt->mnt_root;
	c->root_dentry = fs->root.dentry;
	c->root_mnt = fs->root.mnt;
	c->base_dentry = fs->pwd.dentry;
	c->base_mnt = fs->pwd.mnt;
	if (directory == AT_FDCWD)
		return 0;
	struct file *base = typed_file(task, (u32)directory);
	if (!base)
		return -1;
	c->base_dentry = base->f_path.dentry;
	c->base_mnt = base->f_path.mnt;
	return 0;
}

static __always_inline int at_base(const struct climb *c)
{
	return c->dentry == c->base_dentry && c->mnt == c->base_mnt;
}

static __always_inline int at_root(const struct climb *c)
{
	return c->dentry == c->root_dentry && c->mnt == c->root_mnt;
}

/* Goes from the root of a mount to what it is mounted on. */
static __always_inline void leave_mount(struct climb *c)
{
	struct mount *mount = TYPED(struct mount, (void *)c->mnt - MNT_OFFSET);
	c->dentry = mount->mnt_mountpoint;
	c->mnt = TYPED(struct vfsmount, (void *)mount->mnt_parent + MNT_OFFSET);
	c->mnt_root = c->mnt->mnt_root;
}

/* Goes on to the next name of the walk that learns, and notes the base. Returns 1 if `dentry` has one,
 * 0 at the root of the task, -1 where it lies right on another mount. One that has no parent is its
 * own: the walk then finds no end. */
static __always_inline int climb_on(struct climb *c, struct memo *m, u32 count)
{
	if (at_base(c))
		m->met = count;
	if (at_root(c))
		return 0;
	if (c->dentry != c->mnt_root)
		return 1;
	leave_mount(c);
	if (at_base(c))
		m->met = count;
	if (at_root(c))
		return 0;
	return c->dentry == c->mnt_root ? -1 : 1;
}

/* Returns the length of a name that lies in its dentry, or a value beyond any. */
static __always_inline u64 name_length(struct dentry *dentry)
{
	u64 length = dentry->d_name.len;
	if ((void *)dentry->d_name.name != (void *)dentry + inline_name())
		return ~0ull;
	return length < inline_name_size() ? length : ~0ull;
}

/* Returns 0 if the name in the dentry is this one, which lies in its own. */
static __always_inline u64 compare_name(struct dentry *dentry, const struct name *name)
{
	/* A name of this length lies in its dentry, or the memo would not have it. */
	u64 length = dentry->d_name.len;
	u64 differ = (length ^ name->length) | (word_of(dentry, 0) ^ name->words[0]);
	if (length > 7)
		differ |= word_of(dentry, 1) ^ name->words[1];
	if (length > 15) {
		differ |= word_of(dentry, 2) ^ name->words[2];
		differ |= word_of(dentry, 3) ^ name->words[3];
		differ |= word_of(dentry, 4) ^ name->words[4];
	}
	return differ;
}

/* Returns 0 if the names from the file to the root of the task are those of the memo. A walk meets the
 * root once, so it is looked for only where the memo has it. */
static __always_inline u64 compare_names(const struct memo *m, struct climb *c, u32 relative)
{
	u64 differ = 0, base = m->base, count = m->names_count;
	for (u32 i = 0; i <= NAMES_MAX; i++) {
		if (relative && at_base(c))
			base = m->base ^ i;
		if (i >= count && at_root(c))
			return differ | base;
		if (c->dentry == c->mnt_root) {
			leave_mount(c);
			if (relative && at_base(c))
				base = m->base ^ i;
			if (i >= count && at_root(c))
				return differ | base;
			if (c->dentry == c->mnt_root)
				return 1;
		}
		if (i >= count || i == NAMES_MAX)
			return 1;
		differ |= compare_name(c->dentry, &m->names[i]);
		c->dentry = c->dentry->d_parent;
	}
	return 1;
}

/* Takes the names into the memo; returns 0 if all of them fit. */
static __always_inline int learn_names(struct memo *m, struct climb *c, u32 relative)
{
	m->met = 0;
	for (u32 i = 0; i <= NAMES_MAX; i++) {
		int more = climb_on(c, m, i);
		if (!more) {
			m->names_count = i;
			m->base = relative ? m->met : 0;
			return relative && !m->base;
		}
		if (more < 0 || i == NAMES_MAX)
			break;
		struct dentry *dentry = c->dentry;
		struct name *name = &m->names[i];
		name->length = name_length(dentry);
		if (name->length == ~0ull)
			break;
#pragma unroll
		for (u32 word = 0; word < NAME_WORDS; word++)
			name->words[word] = word_of(dentry, word);
		c->dentry = dentry->d_parent;
	}
	return -1;
}

/* Writes the path of the memo's names to where paths are put together. */
static __always_inline void write_names(const struct memo *m, struct texts *t)
{
	u8 *text = t->path;
	u64 position = 0, count = m->names_count, below = 0;
	for (u32 i = 0; i < NAMES_MAX; i++) {
		if (i >= count)
			break;
		u64 place = count - 1 - i;
		const struct name *name = &m->names[place & (NAMES_MAX - 1)];
		u64 length = name->length;
		CLAMP(length, 8 * NAME_WORDS);
		CLAMP(position, NAMES_MAX * 48);
		u8 *at = text + position;
		at[0] = '/';
#pragma unroll
		for (u32 word = 0; word < NAME_WORDS; word++)
			*(u64 *)(at + 1 + 8 * word) = name->words[word];
		position += length + 1;
		if (place < m->base)
			below += length + 1;
	}
	if (position == 0) {
		text[0] = '/';
		position = 1;
	}
	t->below_base = below;
	t->length = position;
}

/* Returns 0 if the typed path is the text at this place. */
static __always_inline u64 compare_typed(const struct memo *m, const u8 *text)
{
	u64 differ = 0, length = m->typed_length;
	for (u32 i = 0; i < TYPED_WORDS; i++) {
		if (8 * i >= length)
			break;
		u64 left = length - 8 * i, word = *(u64 *)(text + 8 * i) ^ m->typed[i];
		differ |= left < 8 ? word << (64 - 8 * left) : word;
	}
	return differ;
}

/* Returns what is found in the text that was typed: as it is, or as the full path it stands for. One
 * `reading` serves all texts, since the stack has room for little more. */
static __always_inline struct saker_mask read_memo_typed(const struct memo *m, const struct sieve *sieve,
							 struct texts *t, struct reading *r,
							 u32 as_typed)
{
	u64 length = m->typed_length;
	CLAMP(length, 8 * TYPED_WORDS);
	begin_reading(r, sieve, &t->progress, t->typed, !as_typed);
	t->progress.as_typed = as_typed;
	read_text(r, length);
	return end_reading(r);
}

/* Narrows by what the paths of the memo add, found from what it holds alone. Returns 0 if that is
 * known. */
static __always_inline int narrow_by_paths(const struct memo *m, struct sieve *sieve, struct texts *t,
					   struct reading *r, u32 opened)
{
	struct saker_mask possible = sieve->program->quiet;
	u64 differ = 1;
	if (opened) {
		write_names(m, t);
		u64 length = t->length;
		CLAMP(length, NAMES_MAX * 48);
		begin_reading(r, sieve, &t->progress, t->path, 0);
		read_text(r, length);
		join(&possible, end_reading(r));
		u64 typed_at = length - m->typed_length;
		if (length >= m->typed_length) {
			CLAMP(typed_at, NAMES_MAX * 48);
			differ = compare_typed(m, t->path + typed_at);
		}
		/* Nothing but the names below its base: then it adds nothing of its own. */
		if (m->base && (differ || t->below_base != m->typed_length + 1))
			return -1;
		if (!m->base && length != m->typed_length)
			differ = 1;
	}
	if (differ)
		join(&possible, read_memo_typed(m, sieve, t, r, 0));
	narrow(sieve, &possible);
	return 0;
}

/* Narrows by all texts of the memo. Returns 0 if what they add is known. */
static __always_inline int narrow_by_texts(const struct memo *m, struct sieve *sieve, struct texts *t,
					   u32 opened)
{
	u64 dimensions = sieve->program->dimensions;
	struct reading r;
	bpf_probe_read_kernel(t->typed, sizeof(m->typed), m->typed);
	if (dimensions & SAKER_BY_PATH && narrow_by_paths(m, sieve, t, &r, opened))
		return -1;
	if (dimensions & SAKER_BY_TYPED) {
		struct saker_mask possible = sieve->program->quiet_typed;
		join(&possible, read_memo_typed(m, sieve, t, &r, 1));
		narrow(sieve, &possible);
	}
	return 0;
}

/* Returns 0 if there is one. */
static __always_inline int read_typed(struct typed_path *typed, const void *text)
{
	long length = bpf_probe_read_user_str(typed->words, sizeof(typed->words), text);
	if (length <= 1 || length == sizeof(typed->words))
		return -1;
	typed->length = length - 1;
	return 0;
}

static __always_inline int is_relative(const struct typed_path *typed)
{
	return (typed->words[0] & 0xff) != '/';
}

/* Returns where an open is remembered: by the end of what was typed, and the name of the file. */
static __always_inline struct memo *memo_at(const struct typed_path *typed, u64 name_hash)
{
	u64 length = typed->length, last = (length - 1) >> 3;
	CLAMP(last, TYPED_WORDS - 1);
	u64 end = typed->words[last] << ((8 - length) & 7) * 8;
	u64 middle = typed->words[last >> 1 & 7] & (length > 16 ? ~0ull : 0);
	u32 place = (end ^ middle ^ name_hash << 24 ^ length) * 0x9e3779b97f4a7c15ull >> 56;
	return bpf_map_lookup_elem(&memos, &place);
}

/* Notes what else decides: a result in the last range is as good as any other there. */
static __always_inline void learn_result(struct memo *m, const struct sieve *sieve, long result)
{
	const struct saker_ranges *ranges = &sieve->program->result;
	s64 last = ranges->first[ranges->last & (SAKER_FILTER_RANGES - 1)];
	m->result_min = m->result_max = result;
	if (!(sieve->program->dimensions & SAKER_BY_RESULT))
		last = 0;
	if (result >= 0 && result >= last) {
		m->result_min = last < 0 ? 0 : last;
		m->result_max = 0x7fffffff;
	}
}

/* Notes what an open is and finds what that leaves possible. Returns 0 if its paths are short and plain. */
static __always_inline int fill_memo(struct memo *m, struct sieve *sieve, const struct opening *o,
				     struct file *file, struct climb *c, const struct typed_path *typed,
				     struct texts *t)
{
	u32 relative = is_relative(typed), opened = file != NULL;
	u32 flags = o->flags;
	u64 descriptor = SAKER_DESCRIPTOR_ABSENT;
	m->kind = o->kind;
	m->typed_length = typed->length;
	m->names_count = m->base = 0;
	m->asked = o->flags;
	m->modes = o->mode;
#pragma unroll
	for (u32 i = 0; i < TYPED_WORDS; i++)
		m->typed[i] = typed->words[i];
	learn_result(m, sieve, o->result);
	if (sieve->program->dimensions & SAKER_BY_RESULT)
		narrow_by_range(sieve, &sieve->program->result, o->result);
	if (opened) {
		if (learn_names(m, c, relative))
			return -1;
		m->asked |= (u64)file->f_flags << 32;
		m->modes |= (u64)file->f_inode->i_mode << 32;
		flags = (flags & ~3) | (m->asked >> 32 & (3 | O_PATH));
		descriptor = descriptor_of(m->modes >> 32);
	}
	narrow_by_open(sieve, flags, o->mode, descriptor);
	if (narrow_by_texts(m, sieve, t, opened))
		return -1;
	m->left = sieve->left;
	m->by_task = (sieve->program->dimensions & SAKER_BY_USER) != 0;
	return 0;
}

/* Returns whether this is a file that rules name by its full path. */
static __always_inline int is_known(struct inode *inode)
{
	u64 number = inode->i_ino;
	u32 place = number & (SAKER_KNOWN_PLACES - 1);
	struct saker_known_file *known = bpf_map_lookup_elem(&known_files, &place);
	if (!known || !known->device)
		return 0;
	return known->device == SAKER_KNOWN_SEVERAL ||
	       (known->inode == number && known->device == inode->i_sb->s_dev);
}

enum { OPEN_KEPT, OPEN_UNWANTED, OPEN_UNKNOWN };

/* Returns whether the user rules out what the memo leaves possible. */
static __always_inline int task_decides(const struct memo *m, struct task_struct *task, u32 kind)
{
	struct sieve sieve;
	if (!m->by_task || !sieve_for(&sieve, kind) || sieve.filter->generation != m->generation)
		return 0;
	sieve.left = m->left;
	narrow_by_task(&sieve, task);
	return empty(&sieve.left);
}

/* Says what is to become of an open that the memo is about, and counts it if it is dropped: not by a memo
 * that was written to since that turn. */
static __always_inline int decide(const struct memo *m, u64 turn, struct task_struct *task, u32 kind)
{
	int unwanted = empty(&m->left) || task_decides(m, task, kind);
	barrier();
	if (!unwanted || m->turn != turn)
		return OPEN_KEPT;
	struct saker_counters *counters = counters_of(kind);
	if (counters) {
		counters->seen++;
		counters->filtered++;
	}
	return OPEN_UNWANTED;
}

/* Remembers an open and what it leaves possible, from the memo alone, and says whether no rule can match
 * it. A name that was changed while it was copied is of no file: hence all are compared once more. */
static __always_inline int learn_into(struct texts *t, const struct opening *o)
{
	struct task_struct *task = current_task();
	struct typed_path *typed = &t->asked;
	struct sieve sieve;
	struct climb c;
	struct file *file = NULL;
	u64 name_hash = 0;
	if (!sieve_for(&sieve, o->kind) || read_typed(typed, o->typed))
		return OPEN_KEPT;
	u32 relative = is_relative(typed);
	if (o->result >= 0) {
		file = opened_file(task, o);
		if (!file || is_known(file->f_inode) ||
		    start_climb(&c, task, file, relative ? o->directory : AT_FDCWD))
			return OPEN_KEPT;
		name_hash = c.dentry->d_name.hash;
	} else if (relative) {
		return OPEN_KEPT;
	}
	struct memo *m = memo_at(typed, name_hash);
	if (!m)
		return OPEN_KEPT;
	m->generation = 0;
	m->turn++;
	if (fill_memo(m, &sieve, o, file, &c, typed, t))
		return OPEN_KEPT;
	if (file && (start_climb(&c, task, file, relative ? o->directory : AT_FDCWD) ||
		     compare_names(m, &c, relative)))
		return OPEN_KEPT;
	m->generation = sieve.filter->generation;
	return decide(m, m->turn, task, o->kind);
}

/* The same for one at a time: a trampoline can be interrupted by another task's, and by a tracepoint. */
__noinline int learn_open(const struct opening *o)
{
	u32 zero = 0;
	/* Functions like this are verified even where nothing calls them, on Linux 6.1. */
	if (!saker_typed || !o)
		return OPEN_KEPT;
	struct texts *t = bpf_map_lookup_elem(&texts, &zero);
	if (!t || __sync_lock_test_and_set(&t->busy, 1))
		return OPEN_KEPT;
	int learnt = learn_into(t, o);
	__sync_lock_test_and_set(&t->busy, 0);
	return learnt;
}

/* Returns 0 if the memo is about an open like this, but for its names. */
static __always_inline u64 compare_open(const struct memo *m, const struct typed_path *typed,
					const struct opening *o, u64 asked, u64 modes)
{
	u64 differ = m->typed_length ^ typed->length;
	for (u32 i = 0; i < TYPED_WORDS; i++) {
		if (8 * i >= typed->length)
			break;
		u64 left = typed->length - 8 * i, word = typed->words[i] ^ m->typed[i];
		differ |= left < 8 ? word << (64 - 8 * left) : word;
	}
	if (o->result < m->result_min || o->result > m->result_max)
		differ = 1;
	return differ | (m->generation ^ saker_generation) | (m->kind ^ o->kind) |
	       (m->asked ^ asked) | (m->modes ^ modes);
}

/* Says whether no rule can match this open, if opens like it are remembered. What another task wrote
 * meanwhile, on this processor, is not gone by. */
__noinline int sift_open(const struct opening *o)
{
	struct task_struct *task = current_task();
	struct typed_path typed;
	struct memo *m;
	u64 turn;
	if (!saker_typed || !o || read_typed(&typed, o->typed))
		return OPEN_KEPT;
	u32 relative = is_relative(&typed);
	if (o->result >= 0) {
		struct file *file = opened_file(task, o);
		struct climb c;
		if (!file || start_climb(&c, task, file, relative ? o->directory : AT_FDCWD))
			return OPEN_KEPT;
		/* By whatever name: of a hard link, or below another mount. */
		if (is_known(file->f_inode))
			return OPEN_KEPT;
		m = memo_at(&typed, c.dentry->d_name.hash);
		if (!m)
			return OPEN_KEPT;
		turn = m->turn;
		barrier();
		u64 asked = o->flags | (u64)file->f_flags << 32;
		u64 modes = o->mode | (u64)file->f_inode->i_mode << 32;
		if (compare_open(m, &typed, o, asked, modes) || compare_names(m, &c, relative))
			return OPEN_UNKNOWN;
	} else {
		m = memo_at(&typed, 0);
		if (!m || relative)
			return OPEN_KEPT;
		turn = m->turn;
		barrier();
		if (compare_open(m, &typed, o, o->flags, o->mode) | m->names_count)
			return OPEN_UNKNOWN;
	}
	return decide(m, turn, task, o->kind);
}

static __always_inline int unwanted_open(const struct opening *o)
{
	int sifted = sift_open(o);
	if (sifted == OPEN_UNKNOWN)
		sifted = learn_open(o);
	return sifted == OPEN_UNWANTED;
}
