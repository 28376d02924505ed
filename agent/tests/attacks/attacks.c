// Does one deed that a shell cannot, as a child of the tests: `attacks NAME ARGUMENT...`. What follows
// the arguments is a mark by which the tests know the deed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <net/if.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int fail(const char *what)
{
	perror(what);
	return 1;
}

// Opens for reading through io_uring, without the system call of that name.
static int ring_open(const char *path)
{
	struct io_uring_params params = {0};
	int fd = syscall(SYS_io_uring_setup, 1, &params);
	if (fd < 0)
		return 2;
	char *rings = mmap(NULL, params.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	struct io_uring_sqe *request = mmap(NULL, sizeof *request, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	*request = (struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = (unsigned long)path, .open_flags = O_RDONLY};
	*(unsigned *)(rings + params.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1;
}

// Opens by a handle, which has no name.
static int handle_open(const char *path)
{
	struct { struct file_handle head; char rest[128]; } handle = {0};
	char bytes[16];
	int mount, fd;
	handle.head.handle_bytes = sizeof handle.rest;
	if (name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0))
		return fail("name_to_handle_at");
	fd = open_by_handle_at(open("/", O_RDONLY | O_DIRECTORY), &handle.head, O_RDONLY);
	return fd < 0 || read(fd, bytes, sizeof bytes) < 0 ? fail("open_by_handle_at") : 0;
}

static int open_at(const char *directory, const char *path)
{
	return openat(open(directory, O_PATH | O_DIRECTORY), path, O_RDONLY) < 0 ? fail(path) : 0;
}

// Opens below a folder that lies outside of the root it is in by then.
static int open_from_outside(const char *root, const char *directory, const char *path)
{
	int outside = open(directory, O_PATH | O_DIRECTORY);
	if (chroot(root) || chdir("/"))
		return fail("chroot");
	return openat(outside, path, O_RDONLY) < 0 ? fail(path) : 0;
}

// Runs a copy of this program that lives in memory alone, or whose file is gone.
static int without_file(int fd, const char *remove, char **arguments)
{
	char bytes[65536];
	int from = open("/proc/self/exe", O_RDONLY);
	for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;)
		if (write(fd, bytes, got) != got)
			return fail("write");
	if (remove) {
		close(fd);
		fd = open(remove, O_RDONLY);
		unlink(remove);
	}
	fexecve(fd, arguments, environ);
	return fail("fexecve");
}

// Runs a copy of a program that has another name, in the folder $D.
static int run_copy(const char *program, char **arguments)
{
	char path[4096], bytes[65536];
	snprintf(path, sizeof path, "%s/%s", getenv("D"), arguments[0]);
	int to = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
	if (to >= 0) {
		int from = open(program, O_RDONLY);
		for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;)
			if (write(to, bytes, got) != got)
				return fail("write");
		close(from);
		close(to);
	}
	execv(path, arguments);
	return fail(path);
}

// Runs a program at a new terminal, and waits for it.
static int terminal(char **arguments)
{
	int status, master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(master);
	unlockpt(master);
	if (fork() == 0) {
		setsid();
		int slave = open(ptsname(master), O_RDWR);
		dup2(slave, 1);
		dup2(slave, 2);
		execvp(arguments[0], arguments);
		_exit(127);
	}
	wait(&status);
	return status != 0;
}

// Gives a network of its own to a program, in which one address is this machine's.
static int network(const char *address, char **arguments)
{
	struct ifreq request = {.ifr_name = "lo"};
	struct sockaddr_in *in = (void *)&request.ifr_addr;
	int fd;
	if (unshare(CLONE_NEWNET))
		return fail("unshare");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	if (ioctl(fd, SIOCSIFADDR, &request))
		return fail("SIOCSIFADDR");
	request.ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		return fail("SIOCSIFFLAGS");
	close(fd);
	execvp(arguments[0], arguments);
	return fail(arguments[0]);
}

static int listening(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t length = sizeof *address;
	int on = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (void *)address, sizeof *address) || listen(fd, 5))
		return -1;
	getsockname(fd, (void *)address, &length);
	return fd;
}

// Connects to an address of this machine, where somebody listens.
static int connected(const char *address, int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd;
	inet_pton(AF_INET, address, &to.sin_addr);
	if (listening(&to) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	return connect(fd, (void *)&to, sizeof to) ? -1 : fd;
}

static int unix_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, path);
	if (bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address))
		return fail("bind");
	// Nobody listens: it was tried all the same.
	connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address, sizeof address);
	return unlink(path);
}

// Attaches to a child of its own.
static int attach(void)
{
	int child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	if (ptrace(PTRACE_ATTACH, child, 0, 0))
		return fail("ptrace");
	waitpid(child, NULL, __WALL);
	kill(child, SIGKILL);
	return waitpid(child, NULL, 0) != child;
}

// Loads a program that returns 0.
static int load_bpf(void)
{
	struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};
	attr.insns = (unsigned long)code;
	attr.insn_cnt = 2;
	attr.license = (unsigned long)"GPL";
	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr) < 0 ? fail("bpf") : 0;
}

// Starts as many children as it may, all of which live until the end of the standard input.
static int fork_bomb(void)
{
	int ends[2], made = 0, child;
	char byte;
	if (pipe(ends))
		return fail("pipe");
	while ((child = fork()) > 0)
		made++;
	if (child == 0) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) != 0);
	}
	printf("%d\n", made);
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
	close(ends[1]);
	while (wait(NULL) > 0)
		;
	return errno != ECHILD;
}

// Runs a program, and once it has ended another under the same pid.
static int reuse_pid(char *mark)
{
	char *first[] = {"attacks", "nothing", "first", mark, NULL}, *second[] = {"attacks", "nothing", "second", mark, NULL};
	int child = fork();
	if (child == 0)
		return execv("/proc/self/exe", first);
	waitpid(child, NULL, 0);
	struct clone_args again = {.exit_signal = SIGCHLD, .set_tid = (unsigned long)&child, .set_tid_size = 1};
	int reused = syscall(SYS_clone3, &again, sizeof again);
	if (reused == 0)
		return execv("/proc/self/exe", second);
	return reused < 0 ? fail("clone3") : waitpid(reused, NULL, 0) != child;
}

int main(int count, char **arguments)
{
	const char *deed = count > 1 ? arguments[1] : "";
	char **rest = arguments + 2;
	int fd;
	if (!strcmp(deed, "ring-open"))
		return ring_open(rest[0]);
	if (!strcmp(deed, "handle-open"))
		return handle_open(rest[0]);
	if (!strcmp(deed, "open-at"))
		return open_at(rest[0], rest[1]);
	if (!strcmp(deed, "open-from-outside"))
		return open_from_outside(rest[0], rest[1], rest[2]);
	if (!strcmp(deed, "truncate"))
		return truncate(rest[0], 0) ? fail("truncate") : 0;
	if (!strcmp(deed, "shorten"))
		return ftruncate(open(rest[0], O_RDWR), 0) ? fail("ftruncate") : 0;
	if (!strcmp(deed, "memfd"))
		return without_file(memfd_create("payload", 0), NULL, rest);
	if (!strcmp(deed, "deleted"))
		return without_file(open(rest[0], O_WRONLY | O_CREAT, 0755), rest[0], rest + 1);
	if (!strcmp(deed, "run"))
		return run_copy("/bin/true", rest);
	if (!strcmp(deed, "shell"))
		return run_copy("/bin/dash", rest);
	if (!strcmp(deed, "terminal"))
		return terminal(rest);
	if (!strcmp(deed, "as")) { // NAME PROGRAM ARGUMENT...
		const char *program = rest[1];
		rest[1] = rest[0];
		return execv(program, rest + 1);
	}
	if (!strcmp(deed, "network"))
		return network(rest[0], rest + 1);
	if (!strcmp(deed, "connect"))
		return connected(rest[0], atoi(rest[1])) < 0 ? fail("connect") : 0;
	if (!strcmp(deed, "redirect")) {
		fd = connected("127.0.0.1", 0);
		if (fd < 0 || dup2(fd, 0) || dup2(fd, 1) != 1)
			return fail("redirect");
		return execvp(rest[0], rest);
	}
	if (!strcmp(deed, "unix"))
		return unix_connect(rest[0]);
	if (!strcmp(deed, "packet"))
		return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? fail("socket") : 0;
	if (!strcmp(deed, "attach"))
		return attach();
	if (!strcmp(deed, "traced"))
		return ptrace(PTRACE_TRACEME, 0, 0, 0) ? fail("ptrace") : 0;
	if (!strcmp(deed, "bpf"))
		return load_bpf();
	if (!strcmp(deed, "module"))
		return syscall(SYS_finit_module, open("/proc/self/exe", O_RDONLY), "", 0) == 0;
	if (!strcmp(deed, "fork-bomb"))
		return fork_bomb();
	if (!strcmp(deed, "reuse-pid"))
		return reuse_pid(rest[0]);
	return 0;
}
