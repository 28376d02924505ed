/* The processes there are: one record of each, as its exec would tell.
 *
 * An object of its own, with scratch memory of its own: the program sleeps while it reads arguments of
 * others, and no hook of the probe may find the memory in use then. The rings that come with the
 * headers stay unused, and are made small. */
#define SAKER_SNAPSHOT 1
#include "process.h"

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

/* Appends memory of another task between two addresses, cut at `bytes_max`. */
static __always_inline void put_task_range(struct scratch *s, u16 type, struct task_struct *task,
					   u64 from, u64 to, u64 bytes_max)
{
	u8 *at = field_at(s, bytes_max);
	u64 length = to - from;
	if (!at || to <= from)
		return;
	if (length > bytes_max)
		header_of(s)->flags |= SAKER_TRUNCATED;
	CLAMP(length, bytes_max);
	if (bpf_copy_from_user_task(at + sizeof(struct saker_field), length, (void *)from, task, 0)) {
		header_of(s)->flags |= SAKER_FAULT;
		return;
	}
	field_end(s, at, type, length);
}

/* Of a thread of the kernel there is no program to tell. */
static __always_inline void put_program(struct scratch *s, struct task_struct *trusted)
{
	struct task_struct *task = untrusted(trusted);
	struct mm_struct *mm = task->mm;
	if (!mm)
		return;
	fill_process(body_of(s), task, mm);
	put_path_of(s, SAKER_FIELD_PATH, __builtin_preserve_access_index(&mm->exe_file->f_path), task);
	put_path_of(s, SAKER_FIELD_CWD, &task->fs->pwd, task);
	put_task_range(s, SAKER_FIELD_ARGUMENTS, trusted, mm->arg_start, mm->arg_end,
		       SAKER_ARGUMENTS_MAX);
	if (saker_needs.environment)
		put_task_range(s, SAKER_FIELD_ENVIRONMENT, trusted, mm->env_start, mm->env_end,
			       SAKER_ENVIRONMENT_MAX);
}

SEC("iter.s/task")
int snapshot(struct bpf_iter__task *ctx)
{
	u32 zero = 0;
	struct task_struct *trusted = ctx->task;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	if (!trusted || !s || trusted->pid != trusted->tgid)
		return 0;
	struct task_struct *task = untrusted(trusted);
	fill_header(header_of(s), SAKER_EXECVE, task);
	s->length = sizeof(struct saker_header) + sizeof(struct saker_execve);
	__builtin_memset(body_of(s), 0, sizeof(struct saker_execve));
	put_program(s, trusted);
	put_kernel_text(s, SAKER_FIELD_NAME, task->comm);
	put_cgroups(s, task);
	u64 length = s->length;
	CLAMP(length, RECORD_BYTES_MAX);
	header_of(s)->length = length;
	header_of(s)->sequence = 0;
	/* One that does not fit into what is left of the reader's buffer is told again in the next. */
	bpf_seq_write(ctx->meta->seq, s->data, length);
	return 0;
}

char saker_license[] SEC("license") = "Dual BSD/GPL";
