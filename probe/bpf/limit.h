/* How many records of a kind, and of a kind from one cgroup, are let through: token buckets.
 *
 * A bucket is one number, the time at which it will be full again. Taking a token moves that time on
 * by what a token takes to come back, and none is left when it is a burst ahead of now. So it costs
 * one compare-and-swap and needs no lock. */
#pragma once
#include "pointer.h"
#include "../include/event.h"

/* Nanoseconds a token takes to come back, and those of a full bucket; 0 for no limit. */
const volatile u64 saker_limit_kind_token_ns = 0;
const volatile u64 saker_limit_cgroup_token_ns = 0;
const volatile u64 saker_limit_burst_ns = 0;

#define TAKE_TRIES 4

struct limit_key { u64 cgroup; u64 kind; };
struct limit_bucket { u64 full_ns; u64 limited; };

/* The least used of more cgroups begin anew with full buckets. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct limit_key);
	__type(value, struct limit_bucket);
} limit_cgroups SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SAKER_KIND_COUNT);
	__type(key, u32);
	__type(value, struct limit_bucket);
} limit_kinds SEC(".maps");

/* What the tree of processes and containers is made of is never limited. */
static __always_inline int is_life(u32 kind)
{
	switch (kind) {
	case SAKER_EXECVE:
	case SAKER_EXECVEAT:
	case SAKER_CLONE:
	case SAKER_CLONE3:
	case SAKER_FORK:
	case SAKER_VFORK:
	case SAKER_PROCEXIT:
	case SAKER_CGROUP_MADE:
	case SAKER_CGROUP_REMOVED:
		return 1;
	}
	return 0;
}

/* Takes a token; returns whether there was one. Whoever loses the race for it too often may pass. */
static __always_inline int take_token(struct limit_bucket *bucket, u64 now, u64 token_ns)
{
	for (u32 i = 0; i < TAKE_TRIES; i++) {
		u64 full = *(volatile u64 *)&bucket->full_ns;
		u64 from = full > now ? full : now;
		if (from - now > saker_limit_burst_ns)
			return 0;
		if (__sync_val_compare_and_swap(&bucket->full_ns, full, from + token_ns) == full)
			return 1;
	}
	return 1;
}

/* Returns whether a record is one too many: of its cgroup first, so that the others keep the rest. */
static __always_inline int is_limited(u32 kind, u64 cgroup)
{
	if (!saker_limit_burst_ns || is_life(kind))
		return 0;
	u64 now = bpf_ktime_get_boot_ns();
	if (saker_limit_cgroup_token_ns) {
		struct limit_key key = { .cgroup = cgroup, .kind = kind };
		struct limit_bucket *bucket = bpf_map_lookup_elem(&limit_cgroups, &key);
		if (!bucket) {
			struct limit_bucket full = {};
			bpf_map_update_elem(&limit_cgroups, &key, &full, BPF_NOEXIST);
			bucket = bpf_map_lookup_elem(&limit_cgroups, &key);
		}
		if (bucket && !take_token(bucket, now, saker_limit_cgroup_token_ns)) {
			__sync_fetch_and_add(&bucket->limited, 1);
			return 1;
		}
	}
	if (saker_limit_kind_token_ns) {
		struct limit_bucket *bucket = bpf_map_lookup_elem(&limit_kinds, &kind);
		if (bucket && !take_token(bucket, now, saker_limit_kind_token_ns)) {
			__sync_fetch_and_add(&bucket->limited, 1);
			return 1;
		}
	}
	return 0;
}
