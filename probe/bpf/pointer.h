/* Pointers of the kernel as the verifier takes them. */
#pragma once
#include "kernel.h"

/* Whether the kernel can be told what type a pointer is of; reads through it then are plain loads. */
const volatile u8 saker_typed = 0;

/* The place of a type in `CAST_TYPES` of src/program.rs. */
struct vm_area_struct;
struct file;
#define CAST_TYPE(type)                       \
	_Generic((type *)NULL,                \
		struct task_struct *: 0,      \
		struct vm_area_struct *: 1,   \
		struct mount *: 2,            \
		struct vfsmount *: 3,         \
		struct file *: 4)

/* A call of bpf_rdonly_cast, a kernel function from 6.2 on, with the number of a type. The loader of the
 * agent knows no such calls, so user space puts the kernel's numbers in place of these, or 0; a call of
 * 0 is refused only where it can be reached. */
#define TYPED(type, object)                                                                  \
	({                                                                                    \
		register const void *r1_ asm("r1") = (object);                                \
		register void *r0_ asm("r0");                                                 \
		asm volatile("r2 = %[number]\n\t.8byte 0x5a4bec7e00002085"                    \
			     : "=r"(r0_), "+r"(r1_)                                           \
			     : [number] "i"(0x5a4c0000 + CAST_TYPE(type))                     \
			     : "r2", "r3", "r4", "r5");                                       \
		(type *)r0_;                                                                  \
	})

/* Returns a task as a pointer that the verifier does not trust: for what is read from one that it
 * trusts it goes through the names of all types of the kernel, several times each
 * (`btf_nested_type_is_trusted`, from 6.4 on), which was three quarters of the time of loading. Reads
 * are the same; helpers that take a task want the pointer as it was. */
static __always_inline struct task_struct *untrusted(struct task_struct *task)
{
	return saker_typed ? TYPED(struct task_struct, task) : task;
}

static __always_inline struct task_struct *current_task(void)
{
	return untrusted((void *)bpf_get_current_task_btf());
}
