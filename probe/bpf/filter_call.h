/* Drops calls that no rule wants by their result, their arguments and who makes them: before anything is
 * read for them. */
#pragma once
#include "syscall.h"

#define CALL_ARGUMENTS_MAX 6

static __always_inline s64 value_of(u64 in_register, u8 width)
{
	switch (width) {
	case SAKER_WIDTH_SIGNED: return (s32)in_register;
	case SAKER_WIDTH_UNSIGNED: return (u32)in_register;
	}
	return in_register;
}

/* Narrows by the numbers of a call. */
static __always_inline void narrow_by_numbers(struct sieve *sieve, long result, u32 user, const u64 *arguments)
{
	struct saker_filter_program *program = sieve->program;
	if (program->dimensions & SAKER_BY_RESULT)
		narrow_by_range(sieve, &program->result, result);
	if (program->dimensions & SAKER_BY_USER)
		narrow_by_range(sieve, &program->user, user);
#pragma unroll
	for (u32 i = 0; i < CALL_ARGUMENTS_MAX; i++) {
		if (program->dimensions & SAKER_BY_ARGUMENT << i)
			narrow_by_range(sieve, &program->arguments[i],
					value_of(arguments[i], program->widths[i]));
	}
}

/* Returns whether the filter drops this call, and counts it if so. */
static __always_inline int drops_call(struct pt_regs *regs, const struct call *call, long result)
{
	struct task_struct *task = current_task();
	u32 kind = call->operation - 1;
	struct sieve sieve;
	if (!saker_filtering || !saker_generation || !sieve_for(&sieve, kind))
		return 0;
	struct saker_filter_program *program = sieve.program;
	if (program->dimensions & SAKER_BY_RESULT)
		narrow_by_range(&sieve, &program->result, result);
	narrow_by_task(&sieve, task);
#pragma unroll
	for (u32 i = 0; i < CALL_ARGUMENTS_MAX; i++) {
		if (program->dimensions & SAKER_BY_ARGUMENT << i)
			narrow_by_range(&sieve, &program->arguments[i],
					value_of(argument(regs, call, i), program->widths[i]));
	}
	if (!empty(&sieve.left))
		return 0;
	struct saker_counters *c = counters_of(kind);
	if (c) {
		c->seen++;
		c->filtered++;
	}
	return 1;
}
