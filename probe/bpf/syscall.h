/* System call exits: one generic tracepoint that looks up the call and jumps to its family.
 *
 * Arguments are taken from the saved registers, so no entry hook is needed. */
#pragma once
#include "filter_open.h"

/* Family programs by operation; user space fills the wanted ones. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SAKER_KINDS_MAX + 1);
	__type(key, u32);
	__type(value, u32);
} families SEC(".maps");

struct call {
	u32 operation; /* 0: not ours */
	u32 compat;
	u32 count;     /* of arguments, in the user memory of a socketcall */
	u64 packed;    /* where that is; else 0 */
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
	struct task_struct *task = current_task();
#if defined(__TARGET_ARCH_x86)
	return task->thread_info.status >> 1 & 1; /* TS_COMPAT */
#else
	return task->thread_info.flags >> 22 & 1; /* TIF_32BIT */
#endif
}

/* Returns what a register holds for the argument of this index. */
static __always_inline u64 saved_argument(struct pt_regs *regs, u32 compat, u32 index)
{
#if defined(__TARGET_ARCH_x86)
	if (compat) {
		switch (index) {
		case 0: return (u32)regs->bx;
		case 1: return (u32)regs->cx;
		case 2: return (u32)regs->dx;
		case 3: return (u32)regs->si;
		case 4: return (u32)regs->di;
		case 5: return (u32)regs->bp;
		}
		return 0;
	}
	switch (index) {
	case 0: return regs->di;
	case 1: return regs->si;
	case 2: return regs->dx;
	case 3: return regs->r10;
	case 4: return regs->r8;
	case 5: return regs->r9;
	}
	return 0;
#else
	u64 value = 0;
	switch (index) {
	case 0: value = regs->orig_x0; break;
	case 1: value = regs->regs[1]; break;
	case 2: value = regs->regs[2]; break;
	case 3: value = regs->regs[3]; break;
	case 4: value = regs->regs[4]; break;
	case 5: value = regs->regs[5]; break;
	}
	return compat ? (u32)value : value;
#endif
}

static __always_inline struct call call_of(struct pt_regs *regs)
{
	struct call call = {};
	u64 number = call_number(regs);
	if (number >= SAKER_SYSCALLS_MAX)
		return call;
	u16 operations = saker_needs.operations[number];
	if (!operations)
		return call;
	call.compat = is_compat();
	call.operation = call.compat ? operations >> 8 : operations & 0xff;
	if (call.operation == SAKER_OPERATION_SOCKETCALL) {
		u64 which = saved_argument(regs, 1, 0);
		call.packed = saved_argument(regs, 1, 1);
		u16 carried = which < SAKER_SOCKETCALLS_MAX ? saker_needs.socketcalls[which] : 0;
		call.operation = carried & 0xff;
		call.count = carried >> 8;
	}
	return call;
}

static __always_inline u64 argument(struct pt_regs *regs, const struct call *call, u32 index)
{
	u32 value = 0;
	if (!call->packed)
		return saved_argument(regs, call->compat, index);
	if (index < call->count)
		bpf_probe_read_user(&value, sizeof(value), (void *)(call->packed + 4 * index));
	return value;
}

/* Returns what an open asked for. */
static __always_inline struct opening opening_of(struct pt_regs *regs, const struct call *call,
						 long result)
{
	/* No open is carried by a socketcall. */
	u64 a = saved_argument(regs, call->compat, 0), b = saved_argument(regs, call->compat, 1);
	u64 c = saved_argument(regs, call->compat, 2);
	struct opening o = { .kind = call->operation - 1, .result = result, .directory = AT_FDCWD, .typed = (void *)a };
	struct open_how how = {};
	switch (call->operation - 1) {
	case SAKER_OPEN:
		o.flags = b;
		o.mode = c;
		break;
	case SAKER_CREAT:
		o.flags = 01101; /* O_CREAT | O_WRONLY | O_TRUNC */
		o.mode = b;
		break;
	case SAKER_OPENAT2:
		o.directory = a;
		o.typed = (void *)b;
		bpf_probe_read_user(&how, sizeof(how), (void *)c);
		o.flags = how.flags;
		o.mode = how.mode;
		break;
	default:
		o.directory = a;
		o.typed = (void *)b;
		o.flags = c;
		o.mode = saved_argument(regs, call->compat, 3);
	}
	/* Linux passes over a mode nobody needs, and so does what tells of the open. */
	if (!(o.flags & (O_CREAT | O_TMPFILE_ALONE)))
		o.mode = 0;
	return o;
}

static __always_inline int is_open(u32 kind)
{
	return kind >= SAKER_OPEN && kind <= SAKER_CREAT;
}

/* Returns whether the filter drops this open, of `file` if that has no descriptor yet. */
static __always_inline int drops_open(struct pt_regs *regs, const struct call *call, long result,
				      struct file *file)
{
	if (!saker_filtering || !saker_typed || !saker_generation || !is_open(call->operation - 1))
		return 0;
	struct opening o = opening_of(regs, call, result);
	o.file = (u64)file;
	return unwanted_open(&o);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_exit, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	if (!call.operation)
		return 0;
	if (drops_open(regs, &call, result, NULL))
		return 0;
	if (muted(call.operation - 1))
		return 0;
	bpf_tail_call(ctx, &families, call.operation);
	return 0;
}

/* Starts the record of a finished call. */
static __always_inline struct scratch *begin_call(u32 kind, long result, u32 compat, u32 body_bytes)
{
	struct scratch *s = begin(kind, current_task(), body_bytes);
	if (s) {
		header_of(s)->result = result;
		if (compat)
			header_of(s)->flags |= SAKER_COMPAT;
	}
	return s;
}
