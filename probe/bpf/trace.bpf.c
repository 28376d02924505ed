/* One process tracing another. */
#include "syscall.h"

SEC("tp_btf/sys_exit")
int BPF_PROG(syscall_ptrace, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct scratch *s = begin_call(SAKER_PTRACE, result, call.compat, sizeof(struct saker_ptrace));
	if (!s)
		return 0;
	struct saker_ptrace *e = body_of(s);
	e->request = argument(regs, &call, 0);
	e->pid = argument(regs, &call, 1);
	e->reserved = 0;
	send(s, &bulk, SAKER_PTRACE);
	return 0;
}
