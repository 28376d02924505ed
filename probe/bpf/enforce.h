/* Ends a program that a rule forbids before its first instruction: the signal is sent while the call
 * that started it has not yet returned to user space.
 *
 * Only what is certain counts: an atom that could not be found out makes every clause that asks for
 * it fail, and the rule is left to user space. */
#pragma once
#include "path.h"
#include "../include/enforce.h"

#define MINUTE_NS 60000000000ull
#define TICK_NS 10000000ull /* what /proc rounds starts to */
#define CONTAINER_ID_DIGITS 64
#define NAME_BYTES_MAX 255
#define ANCESTORS_MAX 64

const volatile u8 saker_enforce = 0;

struct enforce_prefix { u32 bits; u8 path[SAKER_ENFORCE_PATH_BYTES]; };
struct enforce_file { u64 inode; u64 device; };

/* What was found out about the program that is being started. */
struct enforce_facts {
	u64 generation;
	u64 atoms;
	u64 unknown;
	u32 cgroups;       /* walked */
	u32 cgroups_whole; /* walked up to the root */
	u8 container;      /* a cgroup is named after one */
	u8 doubtful;       /* a cgroup may be one's */
	u8 below_user;     /* a cgroup is one of a user's own */
	struct enforce_prefix prefix;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct enforce_facts);
} enforce_facts SEC(".maps");

/* Facts by bank: every table has room for two plans, so that one is in force while another is
 * written. */
struct enforce_atoms { u64 bank[2]; };

/* The plan in force, by an even number; one more while user space writes tables into the other bank.
 * 0 while there is none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} enforce_generation SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct saker_enforce_plan);
} enforce_plan SEC(".maps");

/* Atoms by whole path; a shorter one is filled up with zeros. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u8[SAKER_ENFORCE_PATH_BYTES]);
	__type(value, struct enforce_atoms);
} enforce_paths SEC(".maps");

/* Atoms by beginning of a path; each entry has the atoms of the shorter ones too. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct enforce_prefix);
	__type(value, struct enforce_atoms);
} enforce_prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, char[16]);
	__type(value, struct enforce_atoms);
} enforce_names SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 512);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct enforce_atoms);
} enforce_inodes SEC(".maps");

/* Executables that are never ended, whatever path leads to them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct enforce_file);
	__type(value, u64);
} enforce_files SEC(".maps");

/* Processes that are never ended, with their start: the agent and those it descends from. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u64);
} enforce_pids SEC(".maps");

/* By the probe at 0, by user space at 1. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, struct saker_enforce_minute);
} enforce_minutes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * SAKER_ENFORCE_GUARDS_MAX);
	__type(key, u32);
	__type(value, u64[SAKER_ENFORCED_COUNT]);
} enforce_counts SEC(".maps");

static __always_inline struct enforce_facts *enforce_facts_now(void)
{
	u32 zero = 0;
	return saker_enforce ? bpf_map_lookup_elem(&enforce_facts, &zero) : NULL;
}

static __always_inline u64 enforce_generation_now(void)
{
	u32 zero = 0;
	u64 *generation = bpf_map_lookup_elem(&enforce_generation, &zero);
	return generation ? *(volatile u64 *)generation : 0;
}

static __always_inline u32 enforce_bank(struct enforce_facts *f)
{
	return f->generation >> 1 & 1;
}

static __always_inline struct saker_enforce_plan *enforce_plan_of(struct enforce_facts *f)
{
	u32 bank = enforce_bank(f);
	return bpf_map_lookup_elem(&enforce_plan, &bank);
}

/* Adds the facts a table has for what was looked up in it. */
static __always_inline void enforce_add(struct enforce_facts *f, struct enforce_atoms *atoms)
{
	if (atoms)
		f->atoms |= atoms->bank[enforce_bank(f)];
}

/* Takes the path of the executable, which was walked last. */
static __always_inline void enforce_path(struct scratch *s)
{
	struct enforce_facts *f = enforce_facts_now();
	if (!f)
		return;
	__builtin_memset(f, 0, sizeof(*f));
	f->generation = enforce_generation_now() & ~1ull;
	if (!f->generation)
		return;
	struct saker_enforce_plan *plan = enforce_plan_of(f);
	if (!plan)
		return;
	u64 position = s->walk.position;
	CLAMP(position, PATH_BYTES);
	u64 length = PATH_BYTES - position;
	CLAMP(length, SAKER_ENFORCE_PATH_BYTES);
	if (s->walk.flags & WALK_CUT || bpf_probe_read_kernel(f->prefix.path, length, s->path + position)) {
		f->unknown |= plan->path_atoms | 1ull << SAKER_ATOM_MEMFD;
		return;
	}
	enforce_add(f, bpf_map_lookup_elem(&enforce_paths, f->prefix.path));
	f->prefix.bits = SAKER_ENFORCE_PATH_BYTES * 8;
	enforce_add(f, bpf_map_lookup_elem(&enforce_prefixes, &f->prefix));
}

/* Notes that a walk up a cgroup's folders begins. */
static __always_inline void enforce_cgroup(void)
{
	struct enforce_facts *f = enforce_facts_now();
	if (f)
		f->cgroups++;
}

/* Notes that such a walk came to the root. */
static __always_inline void enforce_cgroup_root(void)
{
	struct enforce_facts *f = enforce_facts_now();
	if (f)
		f->cgroups_whole++;
}

static __always_inline int is_hex_digit(u8 byte)
{
	u8 letter = byte | 0x20;
	return (byte >= '0' && byte <= '9') || (letter >= 'a' && letter <= 'f');
}

/* Returns whether the bytes of `name` before `end` are `text`. */
#define ENDS_WITH(name, end, text)                                                       \
	({                                                                               \
		int same_ = (end) >= sizeof(text) - 1;                                   \
		for (u32 i_ = 0; i_ < sizeof(text) - 1; i_++)                            \
			same_ &= (name)[((end) - (sizeof(text) - 1) + i_) & 0xff] ==     \
				 (u8)(text)[i_];                                         \
		same_;                                                                   \
	})

/* Returns whether the bytes of `name` before `end` are the id of a container behind its separator. */
static __always_inline int is_container_id(const u8 *name, u64 end)
{
	int digits = end >= CONTAINER_ID_DIGITS;
	for (u32 i = 0; i < CONTAINER_ID_DIGITS; i++)
		digits &= is_hex_digit(name[(end - CONTAINER_ID_DIGITS + i) & 0xff]);
	u8 separator = end > CONTAINER_ID_DIGITS ? name[(end - CONTAINER_ID_DIGITS - 1) & 0xff] : '-';
	return digits && (separator == '-' || separator == ':');
}

/* Looks at one folder of a cgroup's path: does it tell that there is a container, that there is none,
 * or would only `agent/src/enrich/cgroup.rs` know? `name` is 256 bytes of map memory. */
static __always_inline void enforce_folder(const u8 *name, u64 length)
{
	struct enforce_facts *f = enforce_facts_now();
	if (!f)
		return;
	u64 end = length;
	if (ENDS_WITH(name, end, ".scope"))
		end -= sizeof(".scope") - 1;
	if (is_container_id(name, end)) {
		/* The monitor of a container is of the host. */
		if (ENDS_WITH(name, end - CONTAINER_ID_DIGITS, "conmon-"))
			f->doubtful = 1;
		else
			f->container = 1;
		return;
	}
	/* Below it a user makes folders of any name. */
	if (ENDS_WITH(name, 5, "user@"))
		f->below_user = 1;
	/* What systemd makes is the host's; a runtime may have made the rest. */
	if (end == length && !ENDS_WITH(name, length, ".slice") && !ENDS_WITH(name, length, ".service") &&
	    !ENDS_WITH(name, length, ".mount") && !ENDS_WITH(name, length, ".socket"))
		f->doubtful = 1;
}

static __always_inline void enforce_scope(struct enforce_facts *f)
{
	int whole = f->cgroups && f->cgroups == f->cgroups_whole;
	if (!f->container)
		f->atoms |= 1ull << SAKER_ATOM_HOST;
	if (!whole || (f->container ? f->below_user : f->doubtful))
		f->unknown |= 1ull << SAKER_ATOM_HOST;
}

static __always_inline void enforce_process(struct scratch *s, struct enforce_facts *f,
					    struct saker_enforce_plan *plan, struct task_struct *task)
{
	struct saker_execve *e = body_of(s);
	u64 uid = header_of(s)->uid, inode = e->inode;
	bpf_probe_read_kernel_str(f->name, sizeof(f->name), task->comm);
	enforce_add(f, bpf_map_lookup_elem(&enforce_names, f->name));
	enforce_add(f, bpf_map_lookup_elem(&enforce_inodes, &inode));
	for (u32 i = 0; i < SAKER_ENFORCE_RANGES_MAX; i++)
		if (uid >= plan->ranges[i].from && uid <= plan->ranges[i].to)
			f->atoms |= plan->ranges[i].atom;
	/* As `Executable::from_memfd`. */
	if (header_of(s)->flags & SAKER_UNREACHABLE && !e->links &&
	    !__builtin_memcmp(f->prefix.path, "memfd:", 6))
		f->atoms |= 1ull << SAKER_ATOM_MEMFD;
	if (e->layer == SAKER_LAYER_UPPER)
		f->atoms |= 1ull << SAKER_ATOM_UPPER_LAYER;
}

/* Returns the guards that hold for the program. */
static __always_inline u64 enforce_guards(struct enforce_facts *f, struct saker_enforce_plan *plan,
					  u64 kind)
{
	u64 guards = 0;
	for (u32 i = 0; i < SAKER_ENFORCE_CLAUSES_MAX; i++) {
		struct saker_clause *clause = &plan->clauses[i];
		u64 needs = clause->needs, forbids = clause->forbids;
		if (!(clause->kinds & kind) || (needs | forbids) & f->unknown)
			continue;
		if ((f->atoms & needs) == needs && !(f->atoms & forbids))
			guards |= clause->guard;
	}
	return guards;
}

/* Returns whether a process has the same root as init. A path says who somebody is only then: in
 * another root anybody may have put a file there. */
static __always_inline int has_root_of_init(struct task_struct *task)
{
	struct task_struct *above = task;
	for (u32 i = 0; i < ANCESTORS_MAX; i++) {
		if (BPF_CORE_READ(above, tgid) == 1)
			return BPF_CORE_READ(above, fs, root.mnt) == task->fs->root.mnt &&
			       BPF_CORE_READ(above, fs, root.dentry) == task->fs->root.dentry;
		above = BPF_CORE_READ(above, real_parent);
	}
	return 1; /* rather spared than the node's runtime ended */
}

/* Returns whether a process is one of those that are never ended. */
static __always_inline int is_protected(struct scratch *s, struct enforce_facts *f,
					struct task_struct *task)
{
	struct saker_execve *e = body_of(s);
	struct enforce_file file = { .inode = e->inode, .device = e->device };
	u32 pid = task->tgid;
	u64 *start = bpf_map_lookup_elem(&enforce_pids, &pid);
	if (pid == 1 || task->flags & PF_KTHREAD)
		return 1;
	if (start && *start / TICK_NS == header_of(s)->start_ns / TICK_NS)
		return 1;
	if (bpf_map_lookup_elem(&enforce_files, &file))
		return 1;
	return f->atoms >> SAKER_ATOM_PROTECTED & 1 && has_root_of_init(task);
}

/* Takes one of the kills of this minute; returns whether there was one left. */
static __always_inline int take_kill(struct saker_enforce_minute *own,
				     struct saker_enforce_minute *other, u64 kills_max)
{
	u64 minute = bpf_ktime_get_boot_ns() / MINUTE_NS, before = own->minute;
	if (before != minute && __sync_val_compare_and_swap(&own->minute, before, minute) == before)
		own->kills = 0;
	u64 kills = __sync_fetch_and_add(&own->kills, 1);
	if (other->minute == minute)
		kills += other->kills;
	return kills < kills_max;
}

static __always_inline u64 enforce_outcome(struct scratch *s, struct enforce_facts *f,
					   struct saker_enforce_plan *plan, struct task_struct *task)
{
	u32 zero = 0, one = 1;
	struct saker_enforce_minute *own = bpf_map_lookup_elem(&enforce_minutes, &zero);
	struct saker_enforce_minute *other = bpf_map_lookup_elem(&enforce_minutes, &one);
	if (!own || !other)
		return SAKER_ENFORCED_FAILED;
	if (is_protected(s, f, task))
		return SAKER_ENFORCED_PROTECTED;
	int armed = plan->mode == SAKER_ENFORCE_ENFORCE && !own->tripped && !other->tripped;
	if (!take_kill(own, other, plan->kills_per_minute_max)) {
		if (armed)
			own->tripped = 1;
		return SAKER_ENFORCED_OVER_BOUND;
	}
	if (!armed)
		return SAKER_ENFORCED_WOULD_KILL;
	return bpf_send_signal(9) ? SAKER_ENFORCED_FAILED : SAKER_ENFORCED_KILLED;
}

static __always_inline void count_enforced(struct enforce_facts *f, u64 guards, u64 outcome)
{
	for (u32 i = 0; i < SAKER_ENFORCE_GUARDS_MAX; i++) {
		u32 guard = i + enforce_bank(f) * SAKER_ENFORCE_GUARDS_MAX;
		if (!(guards >> i & 1))
			continue;
		u64 *counts = bpf_map_lookup_elem(&enforce_counts, &guard);
		if (counts && outcome < SAKER_ENFORCED_COUNT)
			counts[outcome]++;
	}
}

/* Decides about the program whose record is complete but for the decision, which is appended. */
static __always_inline void enforce_exec(struct scratch *s, struct task_struct *task)
{
	struct enforce_facts *f = enforce_facts_now();
	if (!f || !f->generation)
		return;
	struct saker_enforce_plan *plan = enforce_plan_of(f);
	if (!plan || plan->mode == SAKER_ENFORCE_OFF)
		return;
	enforce_scope(f);
	enforce_process(s, f, plan, task);
	u64 kind = header_of(s)->kind == SAKER_EXECVEAT ? SAKER_BY_EXECVEAT : SAKER_BY_EXECVE;
	u64 guards = enforce_guards(f, plan, kind);
	/* While others are written, and once they are in force, the tables are as they were; then the
	 * next are written in their place. */
	u64 since = enforce_generation_now() - f->generation;
	if (!guards || since > 2)
		return;
	struct saker_enforced enforced = { .guards = guards, .generation = f->generation };
	enforced.outcome = enforce_outcome(s, f, plan, task);
	count_enforced(f, guards, enforced.outcome);
	u8 *at = field_at(s, sizeof(enforced));
	if (!at)
		return;
	__builtin_memcpy(at + sizeof(struct saker_field), &enforced, sizeof(enforced));
	field_end(s, at, SAKER_FIELD_ENFORCED, sizeof(enforced));
}
