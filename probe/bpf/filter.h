/* Drops what no loaded rule can match, by the tables of `../include/filter.h`.
 *
 * Every look narrows the groups of rules that are still possible; an event is dropped when none is
 * left, and kept whenever something about it could not be read. */
#pragma once
#include "path.h"

#define O_PATH 010000000
#define O_CREAT 0100
#define O_TRUNC 01000
#define O_DIRECTORY 0200000
#define FEED_BYTES 8

const volatile u8 saker_filtering = 0;

/* The tables in force; 0: none. Set after they are in their slot, so what was found by those before
 * is stale from then on. */
u64 saker_generation = 0;

/* One slot. A map once in it is not written to any more: other rules bring another map. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct {
		__uint(type, BPF_MAP_TYPE_ARRAY);
		__uint(max_entries, 1);
		__uint(key_size, sizeof(u32));
		__uint(value_size, sizeof(struct saker_filter));
	});
} filters SEC(".maps");

/* One look at the tables, from which an event's groups are taken. */
struct sieve {
	struct saker_filter *filter;
	struct saker_filter_program *program;
	u64 number;             /* of the program */
	struct saker_mask left;
};

static __always_inline int empty(const struct saker_mask *mask)
{
	return !(mask->groups[0] | mask->groups[1]);
}

static __always_inline void join(struct saker_mask *mask, struct saker_mask more)
{
	mask->groups[0] |= more.groups[0];
	mask->groups[1] |= more.groups[1];
}

static __always_inline void narrow(struct sieve *sieve, const struct saker_mask *mask)
{
	sieve->left.groups[0] &= mask->groups[0];
	sieve->left.groups[1] &= mask->groups[1];
}

/* Returns whether there is a filter for this kind, and begins with all its groups. */
static __always_inline int sieve_for(struct sieve *sieve, u32 kind)
{
	u32 zero = 0;
	if (!saker_filtering || !saker_generation)
		return 0;
	void *inner = bpf_map_lookup_elem(&filters, &zero);
	if (!inner)
		return 0;
	struct saker_filter *filter = bpf_map_lookup_elem(inner, &zero);
	if (!filter)
		return 0;
	u64 number = filter->of_kind[kind & 127];
	if (number - 1 >= SAKER_FILTER_PROGRAMS)
		return 0;
	sieve->filter = filter;
	sieve->number = number - 1;
	sieve->program = &filter->programs[sieve->number];
	sieve->left = sieve->program->all;
	return 1;
}

/* Narrows by the range that a number is in; the last is that of descriptors and ports, mostly. The
 * search has no branch, each of which would double what the verifier looks at. */
static __always_inline void narrow_by_range(struct sieve *sieve, const struct saker_ranges *ranges,
					    s64 number)
{
	u64 place = ranges->last & (SAKER_FILTER_RANGES - 1);
	if (number >= ranges->first[place]) {
		narrow(sieve, &ranges->masks[place]);
		return;
	}
	place = 0;
#pragma unroll
	for (u64 step = SAKER_FILTER_RANGES / 2; step > 0; step /= 2) {
		u64 below = (u64)(number - ranges->first[place + step]) >> 63;
		place += step & (below - 1);
		asm volatile("" : "+r"(place));
		place &= SAKER_FILTER_RANGES - 1;
	}
	narrow(sieve, &ranges->masks[place]);
}

/* Narrows by who does it. */
static __always_inline void narrow_by_task(struct sieve *sieve, struct task_struct *task)
{
	if (sieve->program->dimensions & SAKER_BY_USER)
		narrow_by_range(sieve, &sieve->program->user, task->cred->euid.val);
}

/* Returns the row of an open's flags. */
static __always_inline u64 open_row(u32 flags, u32 mode)
{
	u64 row = flags & 3;
	if (flags & O_PATH)
		row = 3;
	else if (row == 3)
		row = 2;
	if (flags & O_CREAT)
		row |= mode & 0111 ? 4 | 32 : 4;
	if (flags & O_TRUNC)
		row |= 8;
	if (flags & O_DIRECTORY)
		row |= 16;
	if (mode & 06000)
		row |= 64;
	return row;
}

/* Returns what a descriptor of an opened file stands for. */
static __always_inline u64 descriptor_of(u32 mode)
{
	switch (mode & S_IFMT) {
	case 0:
	case 0020000:
	case 0060000:
	case 0100000:
	case 0120000: return SAKER_DESCRIPTOR_FILE;
	case 0040000: return SAKER_DESCRIPTOR_DIRECTORY;
	case 0010000: return SAKER_DESCRIPTOR_PIPE;
	case S_IFSOCK: return SAKER_DESCRIPTOR_UNIX;
	}
	return SAKER_DESCRIPTOR_OTHER;
}

/* Narrows by how a file was opened, and what it is: `descriptor` is absent if it failed. */
static __always_inline void narrow_by_open(struct sieve *sieve, u32 flags, u32 mode, u64 descriptor)
{
	u64 row = open_row(flags, mode);
	/* By hand: the compiler knows the bound, and 6.1 does not. */
	asm volatile("%0 &= %1" : "+r"(row) : "i"(SAKER_FILTER_ROWS - 1));
	narrow(sieve, &sieve->program->flags[row]);
	if (descriptor < SAKER_DESCRIPTORS)
		narrow(sieve, &sieve->program->descriptor[descriptor]);
}

/* The way of a path through the automaton, from its last byte to its first. */
struct reading {
	struct saker_filter *filter;
	const u8 *text;         /* PATH_BYTES can be read there */
	struct progress *so_far;
};

static __always_inline void found(struct reading *r, u64 output)
{
	u64 number = r->so_far->number & (SAKER_FILTER_PATH_PROGRAMS - 1);
	struct saker_mask *mask = r->so_far->as_typed ? r->filter->typed[number] : r->filter->outputs[number];
	mask += output & (SAKER_FILTER_OUTPUTS - 1);
	r->so_far->found.groups[0] |= mask->groups[0];
	r->so_far->found.groups[1] |= mask->groups[1];
}

static __always_inline u64 next_entry(struct saker_filter *filter, u64 state, u8 byte)
{
	u64 class = filter->classes[byte] & ((1 << SAKER_FILTER_CLASS_BITS) - 1);
	u64 place = state << SAKER_FILTER_CLASS_BITS | class;
	/* 6.1 loses the bounds of what is joined. */
	asm volatile("%0 &= %1" : "+r"(place) : "i"((SAKER_FILTER_STATES << SAKER_FILTER_CLASS_BITS) - 1));
	return filter->next[place];
}

static __always_inline void feed(struct reading *r, u8 byte)
{
	u64 entry = next_entry(r->filter, r->so_far->state & (SAKER_FILTER_STATES - 1), byte);
	u64 state = entry & (SAKER_FILTER_STATES - 1);
	r->so_far->state = state;
	r->so_far->fed = 1;
	if (entry & 0x8000)
		found(r, r->filter->hit[state]);
}

/* Between two names, coming from the later one. */
static __always_inline void feed_slash(struct reading *r)
{
	if (r->so_far->in_name == 1)
		feed(r, '/');
	else if (r->so_far->in_name == 2)
		r->so_far->skip--;
	else if (r->so_far->dots == 2)
		r->so_far->skip++;
	r->so_far->in_name = r->so_far->dots = 0;
}

/* Takes in a byte of a path as typed, so that what is fed is the folded path. */
static __always_inline void feed_typed(struct reading *r, u8 byte)
{
	if (byte == '/') {
		feed_slash(r);
		return;
	}
	if (!r->so_far->in_name) {
		if (byte == '.' && r->so_far->dots < 2) {
			r->so_far->dots++;
			return;
		}
		r->so_far->in_name = r->so_far->skip ? 2 : 1;
		if (r->so_far->in_name == 1 && r->so_far->dots > 0)
			feed(r, '.');
		if (r->so_far->in_name == 1 && r->so_far->dots > 1)
			feed(r, '.');
	}
	if (r->so_far->in_name == 1)
		feed(r, byte);
}

static long fold_callback(u32 index, void *context)
{
	struct reading *r = context;
	feed_typed(r, r->text[(r->so_far->end - 1 - index) & (PATH_BYTES - 1)]);
	return 0;
}

/* Several bytes a turn, with the state at hand: a turn costs as much as the look at a byte. */
static long feed_callback(u32 index, void *context)
{
	struct reading *r = context;
	struct saker_filter *filter = r->filter;
	const u8 *text = r->text;
	u64 left = r->so_far->end - index * FEED_BYTES, state = r->so_far->state & (SAKER_FILTER_STATES - 1);
#pragma unroll
	for (u32 i = 0; i < FEED_BYTES; i++) {
		if (i >= left)
			break;
		u64 entry = next_entry(filter, state, text[(left - 1 - i) & (PATH_BYTES - 1)]);
		state = entry & (SAKER_FILTER_STATES - 1);
		if (entry & 0x8000)
			found(r, filter->hit[state]);
	}
	r->so_far->state = state;
	r->so_far->fed = 1;
	return 0;
}

static __always_inline void read_text(struct reading *r, u64 length)
{
	r->so_far->end = length;
	if (r->so_far->folding)
		bpf_loop(length, fold_callback, r, 0);
	else
		bpf_loop((length + FEED_BYTES - 1) / FEED_BYTES, feed_callback, r, 0);
}

static __always_inline void begin_reading(struct reading *r, const struct sieve *sieve,
					  struct progress *so_far, const u8 *text, u32 folding)
{
	__builtin_memset(so_far, 0, sizeof(*so_far));
	so_far->number = sieve->number;
	so_far->folding = folding;
	r->filter = sieve->filter;
	r->text = text;
	r->so_far = so_far;
}

/* Returns what the path adds to the groups that are possible with no path at all. */
static __always_inline struct saker_mask end_reading(struct reading *r)
{
	if (r->so_far->folding && !r->so_far->fed)
		feed(r, '/');
	/* There is what is found before any byte is read. */
	found(r, r->filter->hit[0]);
	found(r, r->filter->last[r->so_far->state & (SAKER_FILTER_STATES - 1)]);
	return r->so_far->found;
}
