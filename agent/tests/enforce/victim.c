// A program that rules forbid. The first thing it does is to say that it runs, in its first five
// instructions; then it stays, if its second argument is there, until it is ended.
#if defined(__x86_64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov $1, %eax\n" // write(1, stamp, 1)
	"	mov $1, %edi\n"
	"	lea stamp(%rip), %rsi\n"
	"	mov $1, %edx\n"
	"	syscall\n"
	"	cmpq $2, (%rsp)\n"
	"	jle over\n"
	"	mov $34, %eax\n" // pause()
	"	syscall\n"
	"over:	mov $60, %eax\n" // exit(0)
	"	xor %edi, %edi\n"
	"	syscall\n"
	"stamp:	.ascii \"x\"\n");
#elif defined(__aarch64__)
__asm__(".globl _start\n"
	"_start:\n"
	"	mov x8, #64\n" // write(1, stamp, 1)
	"	mov x0, #1\n"
	"	adr x1, stamp\n"
	"	mov x2, #1\n"
	"	svc #0\n"
	"	ldr x3, [sp]\n"
	"	cmp x3, #2\n"
	"	b.le over\n"
	"	mov x8, #73\n" // ppoll(NULL, 0, NULL, NULL, 0)
	"	mov x0, #0\n"
	"	mov x1, #0\n"
	"	mov x2, #0\n"
	"	mov x3, #0\n"
	"	mov x4, #0\n"
	"	svc #0\n"
	"over:	mov x8, #93\n" // exit(0)
	"	mov x0, #0\n"
	"	svc #0\n"
	"stamp:	.ascii \"x\"\n");
#endif
