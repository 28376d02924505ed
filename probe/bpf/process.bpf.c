/* Life of processes: exec with full context, fork, exit. */
#include "process.h"

/* Returns the number of the call the task is in. */
static __always_inline u32 number_of_call(struct task_struct *task)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)task);
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(regs, orig_ax);
#else
	return BPF_CORE_READ(regs, syscallno);
#endif
}

/* The number of the call is gone: an exec on x86 puts that of execve there (`set_personality_64bit`).
 * The kernel makes `fdpath` for a program found from a descriptor; without one both calls are the
 * same. */
static __always_inline u32 exec_kind(struct linux_binprm *bprm)
{
	return bprm->fdpath ? SAKER_EXECVEAT : SAKER_EXECVE;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *trusted, int old_pid, struct linux_binprm *bprm)
{
	struct task_struct *task = untrusted(trusted);
	u32 kind = exec_kind(bprm);
	struct scratch *s = begin(kind, task, sizeof(struct saker_execve));
	if (!s)
		return 0;
	struct mm_struct *mm = task->mm;
	fill_process(body_of(s), task, mm);

	put_path(s, SAKER_FIELD_PATH, __builtin_preserve_access_index(&mm->exe_file->f_path));
	enforce_path(s);
	put_user_range(s, SAKER_FIELD_ARGUMENTS, mm->arg_start, mm->arg_end, SAKER_ARGUMENTS_MAX);
	put_kernel_text(s, SAKER_FIELD_NAME, task->comm);
	put_path(s, SAKER_FIELD_CWD, &task->fs->pwd);
	put_kernel_text(s, SAKER_FIELD_RAW, bprm->filename);
	put_cgroups(s, task);
	if (saker_needs.environment)
		put_user_range(s, SAKER_FIELD_ENVIRONMENT, mm->env_start, mm->env_end,
			       SAKER_ENVIRONMENT_MAX);
	enforce_exec(s, task);
	send(s, &prio, kind);
	return 0;
}

struct fork { u32 kind; u64 flags; };

/* How the current task was asked to be forked; by the kernel itself without flags. */
static __always_inline struct fork fork_of(struct task_struct *parent)
{
	struct fork fork = { SAKER_CLONE, 0 };
	if (parent->flags & PF_KTHREAD)
		return fork;
	struct pt_regs *regs = (void *)bpf_task_pt_regs((void *)parent);
	u32 number = number_of_call(parent);
#if defined(__TARGET_ARCH_x86)
	u32 compat = parent->thread_info.status & 2; /* TS_COMPAT */
	u64 first = compat ? BPF_CORE_READ(regs, bx) : BPF_CORE_READ(regs, di);
	const u32 clone = compat ? 120 : 56, vfork = compat ? 190 : 58, plain = compat ? 2 : 57;
#else
	u32 compat = parent->thread_info.flags >> 22 & 1; /* TIF_32BIT */
	u64 first = BPF_CORE_READ(regs, orig_x0);
	const u32 clone = compat ? 120 : 220, vfork = compat ? 190 : ~0u, plain = compat ? 2 : ~0u;
#endif
	if (number == clone) {
		fork.flags = first & ~0xffull; /* the low byte is the signal */
	} else if (number == 435) {
		fork.kind = SAKER_CLONE3;
		bpf_probe_read_user(&fork.flags, sizeof(fork.flags), (void *)first);
	} else if (number == vfork) {
		fork.kind = SAKER_VFORK;
		fork.flags = 0x4100; /* CLONE_VM | CLONE_VFORK */
	} else if (number == plain) {
		fork.kind = SAKER_FORK;
	}
	return fork;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *trusted)
{
	struct task_struct *child = untrusted(trusted);
	if (child->tgid == parent->tgid)
		return 0; /* a thread */
	struct fork fork = fork_of(parent);
	struct scratch *s = begin(fork.kind, child, sizeof(struct saker_clone));
	if (!s)
		return 0;
	struct saker_clone *e = body_of(s);
	e->flags = fork.flags;
	e->parent_pid = child->real_parent->tgid;
	e->parent_start_ns = child->real_parent->group_leader->start_boottime;
	e->namespace_start_ns = namespace_start(child);
	e->sid = number_in(child->signal->pids[PIDTYPE_SID], 0).nr;
	e->group_id = number_in(child->signal->pids[PIDTYPE_PGID], 0).nr;
	e->virtual_group_id = virtual_group(child);
	send(s, &prio, fork.kind);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *trusted)
{
	struct task_struct *task = untrusted(trusted);
	if (task->signal->live.counter > 0)
		return 0; /* a thread of a process that goes on */
	struct scratch *s = begin(SAKER_PROCEXIT, task, sizeof(struct saker_procexit));
	if (!s)
		return 0;
	struct saker_procexit *e = body_of(s);
	int group_code = task->signal->group_exit_code;
	e->status = group_code ? group_code : task->exit_code;
	e->reserved = 0;
	send(s, &prio, SAKER_PROCEXIT);
	return 0;
}
