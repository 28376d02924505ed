/* Processes and cgroups whose events are left out, as user space names them. What the tree of
 * processes is made of is told of them too. */
#pragma once
#include "limit.h"

const volatile u8 saker_mute = 0;

/* By process, its start. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u64);
} muted_pids SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u64);
} muted_cgroups SEC(".maps");

#define MUTE_TICK_NS 10000000ull /* what /proc rounds starts to */

static __always_inline int is_muted(u32 kind, struct task_struct *task)
{
	if (!saker_mute || is_life(kind))
		return 0;
	u64 cgroup = task->cgroups->dfl_cgrp->kn->id;
	if (bpf_map_lookup_elem(&muted_cgroups, &cgroup))
		return 1;
	u32 pid = task->tgid;
	u64 *start = bpf_map_lookup_elem(&muted_pids, &pid);
	return start && *start / MUTE_TICK_NS == task->group_leader->start_boottime / MUTE_TICK_NS;
}
