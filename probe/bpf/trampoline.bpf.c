/* Trampolines on kernel functions: other system calls pay nothing for them.
 *
 * Opens are taken where the file is still in the kernel's hands. All other calls are taken where the
 * function of the call returns (`__x64_sys_...`): a program of its own for each, which looks up the
 * call and jumps to the family's program as the system call exit does. */
#include "call.bpf.c"

static __always_inline struct pt_regs *saved_registers(void)
{
	struct task_struct *task = (void *)bpf_get_current_task_btf();
	return (void *)bpf_task_pt_regs((void *)task);
}

/* Returns whether the filter drops this open. A frame of its own holds what the filter looks at: Linux
 * counts frames together, and those on the way to a path are nearly all there may be. */
static __noinline int unwanted(struct pt_regs *regs, const struct call *call, long result, struct file *file)
{
	return drops_open(regs, call, result, file);
}

/* A file gets its descriptor: the last moment at which no other thread can close it or put another
 * one in its place. Every descriptor passes here, so the call decides. */
SEC("fentry/fd_install")
int BPF_PROG(trampoline_open, u32 descriptor, struct file *file)
{
	struct pt_regs *regs = saved_registers();
	struct call call = call_of(regs);
	u32 kind = call.operation - 1;
	if (!call.operation || !is_open(kind) || muted(kind) || unwanted(regs, &call, descriptor, file))
		return 0;
	return tell_open(regs, &call, descriptor, file);
}

/* Opens that fail get no descriptor. */
SEC("fexit/do_sys_openat2")
int BPF_PROG(trampoline_open_failed, s32 directory, const char *typed, struct open_how *how, long result)
{
	struct pt_regs *regs = saved_registers();
	struct call call = call_of(regs);
	u32 kind = call.operation - 1;
	if (result >= 0 || !call.operation || !is_open(kind) || muted(kind) ||
	    unwanted(regs, &call, result, NULL))
		return 0;
	return tell_open(regs, &call, result, NULL);
}

SEC("fexit/__sys_connect")
int BPF_PROG(trampoline_connect, s32 descriptor, void *address, s32 length, int result)
{
	if (muted(SAKER_CONNECT))
		return 0;
	struct scratch *s = begin_call(SAKER_CONNECT, result, is_compat(), sizeof(struct saker_connect));
	if (!s)
		return 0;
	fill_connect(s, descriptor, (u64)address, (u32)length);
	end_connect(s);
	return 0;
}

/* The programs of the families, for trampolines. A program may jump only to one on a kernel function
 * whose arguments are the same, names included (Linux 6.12, `bpf_prog_map_compatible`). There are
 * three sorts; which of the first two a call's function is depends on the kernel's build, since its
 * BTF may describe the stand-in for kernels without the call (`COND_SYSCALL`):
 *
 *   returned         long (const struct pt_regs *regs)
 *   returned_unused  long (const struct pt_regs *__unused)
 *   returned_compat  long (const struct pt_regs *regs, unsigned int nr): all 32-bit calls */
#define RETURNED(sort)                                                  \
	struct {                                                        \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                  \
		__uint(max_entries, SAKER_KINDS_MAX + 1);               \
		__type(key, u32);                                       \
		__type(value, u32);                                     \
	} sort SEC(".maps")

RETURNED(returned);
RETURNED(returned_unused);
RETURNED(returned_compat);

static __always_inline void enter(void *ctx, struct pt_regs *regs, void *programs)
{
	struct call call = call_of(regs);
	if (!call.operation || muted(call.operation - 1))
		return;
	bpf_tail_call(ctx, programs, call.operation);
}

SEC("fexit/__x64_sys_unlink")
int BPF_PROG(returned_call, struct pt_regs *regs, long result)
{
	return end_call(regs, result);
}

SEC("fexit/__do_sys_setsid")
int BPF_PROG(returned_unused_call, struct pt_regs *regs, long result)
{
	return end_call(regs, result);
}

SEC("fexit/ia32_sys_call")
int BPF_PROG(returned_compat_call, struct pt_regs *regs, u32 number, long result)
{
	return end_call(regs, result);
}

SEC("fexit/ia32_sys_call")
int BPF_PROG(enter_compat, struct pt_regs *regs, u32 number, long result)
{
	enter(ctx, regs, &returned_compat);
	return 0;
}

/* A program can be on one function only, so there is one for each that may be wanted at once; user
 * space says which function it is. */
#define ENTER(index, programs)                                                      \
	SEC("fexit/__x64_sys_unlink")                                               \
	int BPF_PROG(enter_##programs##_##index, struct pt_regs *regs, long result) \
	{                                                                           \
		enter(ctx, regs, &programs);                                        \
		return 0;                                                           \
	}
#define ENTER_8(eights, programs)      \
	ENTER(eights##0, programs)     \
	ENTER(eights##1, programs)     \
	ENTER(eights##2, programs)     \
	ENTER(eights##3, programs)     \
	ENTER(eights##4, programs)     \
	ENTER(eights##5, programs)     \
	ENTER(eights##6, programs)     \
	ENTER(eights##7, programs)
#define ENTER_64(programs)             \
	ENTER_8(0, programs)           \
	ENTER_8(1, programs)           \
	ENTER_8(2, programs)           \
	ENTER_8(3, programs)           \
	ENTER_8(4, programs)           \
	ENTER_8(5, programs)           \
	ENTER_8(6, programs)           \
	ENTER_8(7, programs)

/* Numbered in octal; `SLOTS` in src/trampoline.rs is how many there are of each sort. */
ENTER_64(returned)
ENTER_64(returned_unused)
