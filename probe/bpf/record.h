/* Builds a record in per-processor memory and sends exactly its length. */
#pragma once
#include "mute.h"
#include "../include/filter.h"
#include "../include/needs.h"

#define RECORD_BYTES_MAX 22528
#define PATH_BYTES SAKER_PATH_MAX

/* Set before the load, so the verifier drops the code of what is off. */
const volatile u32 saker_muted_pid = 0;

/* In a section of its own, which user space writes while the programs run. */
volatile struct saker_needs saker_needs SEC(".data.needs");

struct walk {
	struct vfsmount *mnt, *root_mnt;
	struct dentry *dentry, *mnt_root, *root_dentry;
	struct mount *mount;
	u32 position;
	u32 flags;
};

/* Where a text is in the record. */
struct told {
	u64 at;
	u64 length;
};

/* What the filter finds in a record. In map memory verifiers forget what it is, and so look at what
 * follows once. */
struct findings {
	struct told path, raw, base;
	u64 has_path, has_base;
	u64 at;                 /* of the next field of a call */
	u64 descriptor_at;      /* 0: there is none */
	u64 in_tree;            /* the path is one from a root */
	u64 unread;             /* some path is not known */
};

/* How far a path has been read. In map memory: before 6.7 verifiers follow the callback of a loop once, so
 * whatever they knew of this at its begin they would take to hold in every turn, and drop the rest of the
 * code as dead. */
struct progress {
	u64 end;                /* of the path, in the text */
	struct saker_mask found;
	u32 number;             /* of the program */
	u32 as_typed;           /* it is read for what was typed: nothing is folded */
	u32 state;
	u16 skip;               /* names that a `..` takes back */
	u8 folding;             /* `.`, `..` and empty names are to be folded */
	u8 dots;                /* of a name that may turn out to be `.` or `..` */
	u8 in_name;             /* 1: in a name that counts; 2: in one that is skipped */
	u8 fed;
};

struct scratch {
	u64 busy;
	u64 length;
	struct walk walk;
	struct findings found;
	struct progress progress;
	u8 data[RECORD_BYTES_MAX];
	u8 path[2 * PATH_BYTES]; /* filled from the end of the first half; the second is never used */
};

struct sequence { u64 next; };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} prio SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} bulk SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SAKER_KIND_COUNT);
	__type(key, u32);
	__type(value, struct saker_counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct sequence);
} sequences SEC(".maps");

static __always_inline int wanted(u32 kind)
{
	return saker_needs.wanted[kind >> 6 & 1] >> (kind & 63) & 1;
}

static __always_inline struct saker_counters *counters_of(u32 kind)
{
	return bpf_map_lookup_elem(&counters, &kind);
}

/* Returns whether the current process is to be left out. Counted, so that user space can tell whether
 * a trampoline fires at all. */
static __always_inline int muted(u32 kind)
{
	struct saker_counters *c = counters_of(kind);
	if (bpf_get_current_pid_tgid() >> 32 != saker_muted_pid)
		return 0;
	if (c) {
		c->seen++;
		c->muted++;
	}
	return 1;
}

static __always_inline struct saker_header *header_of(struct scratch *s)
{
	return (void *)s->data;
}

/* Returns a kernel device number as stat(2) shows it. */
static __always_inline u32 user_device(u32 device)
{
	u32 major = device >> 20, minor = device & 0xfffff;
	return (minor & 0xff) | major << 8 | (minor & ~0xff) << 12;
}

/* Returns the number of a pid in the pid namespace `level` deep, and that namespace; 0 and NULL where
 * it has none there. */
static __always_inline struct upid number_in(struct pid *pid, u64 level)
{
	struct upid number = {};
	if (!pid || BPF_CORE_READ(pid, level) < level)
		return number;
	/* Linux nests 32 deep at most. 6.1 adds only a bounded number to a kernel pointer, and must
	 * see the bound on the very register that is added: hence by hand. */
	asm volatile("%0 &= 63" : "+r"(level));
	void *at = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
		   level * bpf_core_type_size(struct upid);
	bpf_probe_read_kernel(&number.nr, sizeof(number.nr), at + bpf_core_field_offset(struct upid, nr));
	bpf_probe_read_kernel(&number.ns, sizeof(number.ns), at + bpf_core_field_offset(struct upid, ns));
	return number;
}

/* Returns a thread's id in its own pid namespace. */
static __always_inline u32 own_number(struct task_struct *task)
{
	u32 number = task->pid;
	u64 level = task->thread_pid->level;
	/* Else one load reads from either of two sorts of memory, which the verifier refuses. */
	asm volatile("" : "+r"(number));
	if (level)
		number = number_in(task->thread_pid, level).nr;
	return number;
}

static __always_inline void fill_header(struct saker_header *h, u32 kind, struct task_struct *task)
{
	const struct cred *cred = task->cred;
	h->kind = kind;
	h->flags = 0;
	h->time_ns = bpf_ktime_get_boot_ns();
	h->cpu = bpf_get_smp_processor_id();
	h->tid = task->pid;
	h->pid = task->tgid;
	h->ppid = task->real_parent->tgid;
	h->uid = cred->euid.val;
	h->gid = cred->egid.val;
	h->start_ns = task->group_leader->start_boottime;
	h->cgroup = task->cgroups->dfl_cgrp->kn->id;
	bpf_core_read(&h->capabilities, 8, &cred->cap_effective);
	bpf_core_read(&h->permitted, 8, &cred->cap_permitted);
	h->login_uid = bpf_core_field_exists(task->loginuid) ? task->loginuid.val : ~0u;
	h->vtid = own_number(task);
	h->result = 0;
}

/* Starts a record about `task`, which is current or its new child; NULL when it cannot be built.
 * Every record begun is ended by `send`. */
static __always_inline struct scratch *begin(u32 kind, struct task_struct *task, u32 body_bytes)
{
	u32 zero = 0;
	struct saker_counters *c = counters_of(kind);
	struct sequence *q = bpf_map_lookup_elem(&sequences, &zero);
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	if (!c || !q || !s)
		return NULL;
	c->seen++;
	if (is_muted(kind, task)) {
		c->muted++;
		return NULL;
	}
	if (!wanted(kind)) {
		c->filtered++;
		return NULL;
	}
	/* A trampoline may be preempted by another one on this processor. */
	if (__sync_lock_test_and_set(&s->busy, 1)) {
		c->lost++;
		q->next++;
		return NULL;
	}
	fill_header(header_of(s), kind, task);
	s->length = sizeof(struct saker_header) + body_bytes;
	return s;
}

static __always_inline void *body_of(struct scratch *s)
{
	return s->data + sizeof(struct saker_header);
}

/* Ends a record that no rule wants. */
static __always_inline void drop(struct scratch *s, u32 kind)
{
	struct saker_counters *c = counters_of(kind);
	if (c)
		c->filtered++;
	__sync_lock_test_and_set(&s->busy, 0);
}

/* Hands the record to a ring. */
static __always_inline void send(struct scratch *s, void *ring, u32 kind)
{
	u32 zero = 0;
	struct saker_counters *c = counters_of(kind);
	struct sequence *q = bpf_map_lookup_elem(&sequences, &zero);
	struct saker_header *h = header_of(s);
	u64 length = s->length;
	/* Last, so that only what is wanted counts. */
	if (is_limited(kind, h->cgroup)) {
		if (c)
			c->limited++;
		__sync_lock_test_and_set(&s->busy, 0);
		return;
	}
	CLAMP(length, RECORD_BYTES_MAX);
	h->length = length;
	h->sequence = q ? q->next++ : 0;
	u16 flags = h->flags;
	/* No flag: the kernel wakes the reader once for the first record after it caught up, and the
	 * reader naps before it drains, so a wake-up is paid per batch. */
	long failed = bpf_ringbuf_output(ring, s->data, length, 0);
	__sync_lock_test_and_set(&s->busy, 0);
	if (!c)
		return;
	if (failed) {
		c->lost++;
		return;
	}
	c->sent++;
	if (flags & SAKER_TRUNCATED)
		c->truncated++;
	if (flags & SAKER_FAULT)
		c->faulted++;
}

/* Returns where the next field's bytes go, or NULL when `bytes_max` of them no longer fit. */
static __always_inline u8 *field_at(struct scratch *s, u32 bytes_max)
{
	u64 position = s->length;
	if (position > RECORD_BYTES_MAX - sizeof(struct saker_field) - bytes_max) {
		header_of(s)->flags |= SAKER_TRUNCATED;
		return NULL;
	}
	return s->data + position;
}

static __always_inline void field_end(struct scratch *s, u8 *at, u16 type, u32 length)
{
	struct saker_field field = { .type = type, .length = length };
	__builtin_memcpy(at, &field, sizeof(field));
	s->length += sizeof(field) + length;
}

/* Appends a text of user memory; one that cannot be read is left out and flagged. */
static __always_inline void put_user_text(struct scratch *s, u16 type, const void *text)
{
	u8 *at = field_at(s, SAKER_PATH_MAX);
	if (!at)
		return;
	long length = bpf_probe_read_user_str(at + sizeof(struct saker_field), SAKER_PATH_MAX, text);
	if (length < 0) {
		header_of(s)->flags |= SAKER_FAULT;
		return;
	}
	if (length == SAKER_PATH_MAX)
		header_of(s)->flags |= SAKER_TRUNCATED;
	field_end(s, at, type, length > 0 ? length - 1 : 0);
}

static __always_inline void put_kernel_text(struct scratch *s, u16 type, const void *text)
{
	u8 *at = field_at(s, SAKER_PATH_MAX);
	if (!at)
		return;
	long length = bpf_probe_read_kernel_str(at + sizeof(struct saker_field), SAKER_PATH_MAX, text);
	if (length > 0)
		field_end(s, at, type, length - 1);
}

/* Appends the user memory between two addresses, cut at `bytes_max`. */
#define put_user_range(s, type, start, end, bytes_max)                                          \
	do {                                                                                     \
		u8 *at_ = field_at(s, bytes_max);                                                \
		u64 from_ = (start), length_ = (end) - from_;                                    \
		if (!at_ || (end) <= from_)                                                      \
			break;                                                                   \
		if (length_ > (bytes_max))                                                       \
			header_of(s)->flags |= SAKER_TRUNCATED;                                  \
		CLAMP(length_, bytes_max);                                                       \
		if (bpf_probe_read_user(at_ + sizeof(struct saker_field), length_,               \
					(void *)from_)) {                                        \
			header_of(s)->flags |= SAKER_FAULT;                                      \
			break;                                                                   \
		}                                                                                \
		field_end(s, at_, type, length_);                                                \
	} while (0)
