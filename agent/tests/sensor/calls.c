// Makes system calls one after the other, as a child of the tests: `calls NAME ARGUMENT... , NAME ...`.
//
// An argument is `#number`, `=text`, `$n` for the result of call n, or `@kind:value` for a structure.
// `i386:number` makes a call of the 32-bit table; `ring:operation` asks io_uring, with the request's
// fd, addr, len, off and flags.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <errno.h>
#include <unistd.h>
#ifndef MAP_32BIT
#define MAP_32BIT 0
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define CALLS_MAX 16
#define KNOWN(name) {#name, SYS_##name},

static const struct { const char *name; long number; } known[] = {
	KNOWN(accept) KNOWN(accept4) KNOWN(bind) KNOWN(bpf) KNOWN(capset) KNOWN(chdir) KNOWN(chroot)
	KNOWN(clone3) KNOWN(close) KNOWN(connect) KNOWN(delete_module) KNOWN(dup) KNOWN(dup3) KNOWN(execve)
	KNOWN(execveat) KNOWN(fchdir) KNOWN(fchmod) KNOWN(fchmodat) KNOWN(fchmodat2) KNOWN(fchown)
	KNOWN(fchownat) KNOWN(finit_module) KNOWN(ftruncate) KNOWN(getsockname) KNOWN(getsockopt)
	KNOWN(init_module) KNOWN(io_uring_setup) KNOWN(kill) KNOWN(linkat) KNOWN(listen) KNOWN(memfd_create)
	KNOWN(mkdirat) KNOWN(mknodat) KNOWN(mmap) KNOWN(mount) KNOWN(move_mount) KNOWN(mprotect)
	KNOWN(open_by_handle_at) KNOWN(openat) KNOWN(pivot_root) KNOWN(prctl) KNOWN(process_vm_readv)
	KNOWN(process_vm_writev) KNOWN(ptrace) KNOWN(recvfrom) KNOWN(recvmmsg) KNOWN(recvmsg)
	KNOWN(renameat2) KNOWN(sendmmsg) KNOWN(sendmsg) KNOWN(sendto) KNOWN(setgid) KNOWN(setns)
	KNOWN(setpgid) KNOWN(setregid) KNOWN(setresgid) KNOWN(setresuid) KNOWN(setreuid) KNOWN(setsid)
	KNOWN(setsockopt) KNOWN(setuid) KNOWN(shutdown) KNOWN(socket) KNOWN(socketpair) KNOWN(symlinkat)
	KNOWN(tgkill) KNOWN(tkill) KNOWN(truncate) KNOWN(umount2) KNOWN(unlinkat) KNOWN(unshare)
	KNOWN(userfaultfd) KNOWN(write)
#ifdef SYS_rename
	KNOWN(chmod) KNOWN(chown) KNOWN(dup2) KNOWN(fork) KNOWN(lchown) KNOWN(link) KNOWN(mkdir) KNOWN(mknod)
	KNOWN(rename) KNOWN(renameat) KNOWN(rmdir) KNOWN(symlink) KNOWN(unlink) KNOWN(vfork) KNOWN(clone)
#endif
};

static char *low; // memory that 32-bit calls reach too
static long results[CALLS_MAX];

static void *place(const void *bytes, size_t length)
{
	void *at = low;
	memcpy(at, bytes, length);
	low += (length + 16) & ~15ul;
	return at;
}

static struct sockaddr_in inet(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

// The port a socket of an earlier call was given: `$n`, or a number.
static int port_of(const char *text)
{
	struct sockaddr_in address = {0};
	socklen_t length = sizeof address;
	if (*text != '$')
		return atoi(text);
	getsockname(results[atoi(text + 1)], (void *)&address, &length);
	return ntohs(address.sin_port);
}

static long structure(char *kind)
{
	char *value = strchr(kind, ':');
	if (value)
		*value++ = 0;
	if (!strcmp(kind, "in")) {
		struct sockaddr_in address = inet(port_of(value));
		return (long)place(&address, sizeof address);
	}
	if (!strcmp(kind, "un")) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		strcpy(address.sun_path, value);
		return (long)place(&address, sizeof address);
	}
	if (!strcmp(kind, "int")) {
		int number = atoi(value);
		return (long)place(&number, sizeof number);
	}
	if (!strcmp(kind, "iov")) {
		struct iovec vector = {place(value, strlen(value) + 1), strlen(value)};
		return (long)place(&vector, sizeof vector);
	}
	if (!strcmp(kind, "msg")) { // PORT/text
		char *text = strchr(value, '/');
		*text++ = 0;
		struct sockaddr_in address = inet(port_of(value));
		struct iovec vector = {place(text, strlen(text) + 1), strlen(text)};
		struct mmsghdr message = {{place(&address, sizeof address), sizeof address, place(&vector, sizeof vector), 1}};
		return (long)place(&message, sizeof message);
	}
	if (!strcmp(kind, "argv")) {
		char *list[] = {place("x", 2), NULL};
		return (long)place(list, sizeof list);
	}
	if (!strcmp(kind, "caphead")) {
		unsigned head[2] = {0x20080522, 0};
		return (long)place(head, sizeof head);
	}
	if (!strcmp(kind, "caps")) {
		unsigned words[6] = {1u << 21, 1u << 21 | 1, 0, 0, 0, 0};
		return (long)place(words, sizeof words);
	}
	if (!strcmp(kind, "handle")) {
		struct { struct file_handle head; char rest[128]; } handle = {{.handle_bytes = 128}};
		int mount;
		name_to_handle_at(AT_FDCWD, value, &handle.head, &mount, 0);
		return (long)place(&handle, sizeof handle);
	}
	char nothing[256] = {0};
	return (long)place(nothing, sizeof nothing);
}

static long argument(char *text)
{
	switch (*text) {
	case '#': return strtoll(text + 1, NULL, 0);
	case '=': return (long)place(text + 1, strlen(text));
	case '$': return results[atoi(text + 1)];
	case '@': return structure(text + 1);
	case '%': return getpid();
	}
	fprintf(stderr, "what is %s?\n", text);
	exit(3);
}

#ifdef __x86_64__
static long compat(long number, long *a)
{
	long result;
	asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4]) : "memory", "r8", "r9", "r10", "r11");
	return result;
}
#else
static long compat(long number, long *a) { (void)number; (void)a; return -ENOSYS; }
#endif

// Carries out one request through io_uring, without the system call of that name.
static long ring(int operation, long *a)
{
	struct io_uring_params params = {0};
	int fd = syscall(SYS_io_uring_setup, 1, &params);
	if (fd < 0)
		exit(2);
	char *rings = mmap(NULL, params.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	struct io_uring_sqe *requests = mmap(NULL, sizeof *requests, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	requests[0] = (struct io_uring_sqe){.opcode = operation, .fd = a[0], .addr = a[1], .len = a[2], .off = a[3], .rw_flags = a[4]};
	*(unsigned *)(rings + params.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
}

static long call(const char *name, long *a)
{
	if (!strncmp(name, "ring:", 5))
		return ring(atoi(name + 5), a);
	if (!strncmp(name, "i386:", 5))
		return compat(atoi(name + 5), a);
	if (!strcmp(name, "vfork")) {
		int child = vfork();
		if (child == 0)
			_exit(0);
		return child;
	}
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(name, known[i].name))
			continue;
		long result = syscall(known[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (result == 0 && (!strcmp(name, "fork") || !strncmp(name, "clone", 5)))
			_exit(0);
		return result;
	}
	fprintf(stderr, "no call %s\n", name);
	exit(3);
}

int main(int count, char **arguments)
{
	int done = 0;
	low = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	for (int at = 1; at < count && done < CALLS_MAX; at++) {
		char *name = arguments[at];
		long a[6] = {0};
		int given = 0;
		for (at++; at < count && strcmp(arguments[at], ","); at++)
			a[given++] = argument(arguments[at]);
		results[done++] = call(name, a);
	}
	while (wait(NULL) > 0)
		;
	return 0;
}
