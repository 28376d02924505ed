/* System call exits: one generic tracepoint that looks up the call and jumps to its family.
 *
 * Arguments are taken from the saved registers, so no entry hook is needed. */
#pragma once
#include "path.h"

#define SYSCALLS_MAX 512

/* By call number: low byte the 64-bit call's operation, high byte the 32-bit call's; an operation
 * is `kind + 1`, 0 for a call nobody wants. */
const volatile u16 saker_operations[SYSCALLS_MAX];

/* Family programs by operation; user space fills the wanted ones. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 32);
	__type(key, u32);
	__type(value, u32);
} families SEC(".maps");

struct call {
	u32 operation; /* 0: not ours */
	u32 compat;
};

static __always_inline u32 call_number(struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return regs->orig_ax & ~0x40000000; /* the bit of x32 */
#else
	return regs->syscallno;
#endif
}

static __always_inline u32 is_compat(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
#if defined(__TARGET_ARCH_x86)
	return task->thread_info.status >> 1 & 1; /* TS_COMPAT */
#else
	return task->thread_info.flags >> 22 & 1; /* TIF_32BIT */
#endif
}

static __always_inline struct call call_of(struct pt_regs *regs)
{
	struct call call = {};
	u64 number = call_number(regs);
	if (number >= SYSCALLS_MAX)
		return call;
	u16 operations = saker_operations[number];
	if (!operations)
		return call;
	call.compat = is_compat();
	call.operation = call.compat ? operations >> 8 : operations & 0xff;
	return call;
}

static __always_inline u64 argument(struct pt_regs *regs, u32 compat, u32 index)
{
	u64 value = 0;
#if defined(__TARGET_ARCH_x86)
	if (compat) {
		switch (index) {
		case 0: value = regs->bx; break;
		case 1: value = regs->cx; break;
		case 2: value = regs->dx; break;
		case 3: value = regs->si; break;
		}
		return (u32)value;
	}
	switch (index) {
	case 0: return regs->di;
	case 1: return regs->si;
	case 2: return regs->dx;
	case 3: return regs->r10;
	}
	return 0;
#else
	switch (index) {
	case 0: value = regs->orig_x0; break;
	case 1: value = regs->regs[1]; break;
	case 2: value = regs->regs[2]; break;
	case 3: value = regs->regs[3]; break;
	}
	return compat ? (u32)value : value;
#endif
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_exit, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	if (!call.operation)
		return 0;
	if (bpf_get_current_pid_tgid() >> 32 == saker_muted_pid)
		return 0;
	bpf_tail_call(ctx, &families, call.operation);
	return 0;
}

/* Starts the record of a finished call. */
static __always_inline struct scratch *begin_call(u32 kind, long result, u32 compat, u32 body_bytes)
{
	struct scratch *s = begin(kind, (void *)bpf_get_current_task_btf(), body_bytes);
	if (s) {
		header_of(s)->result = result;
		if (compat)
			header_of(s)->flags |= SAKER_COMPAT;
	}
	return s;
}
