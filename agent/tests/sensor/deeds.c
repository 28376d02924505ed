// Does one deed that a shell cannot, as a child of the tests: `deeds NAME ARGUMENT...`.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int copy_self(int to)
{
	char bytes[65536];
	int from = open("/proc/self/exe", O_RDONLY);
	for (ssize_t got; (got = read(from, bytes, sizeof bytes)) > 0;)
		if (write(to, bytes, got) != got)
			return -1;
	return close(from);
}

// Runs a copy of this program that lives in memory alone.
static int memfd(char **arguments)
{
	char *const none[] = {"deeds", "nothing", NULL};
	int fd = memfd_create(arguments[0], 0);
	copy_self(fd);
	return fexecve(fd, none, environ);
}

// Runs a copy of this program whose file is gone.
static int deleted(char **arguments)
{
	char *const none[] = {"deeds", "nothing", NULL};
	int fd = open(arguments[0], O_WRONLY | O_CREAT, 0755);
	copy_self(fd);
	close(fd);
	fd = open(arguments[0], O_RDONLY);
	unlink(arguments[0]);
	return fexecve(fd, none, environ);
}

// Runs a program whose controlling terminal is a new pseudo-terminal.
static int terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(master);
	unlockpt(master);
	setsid();
	dup2(open(ptsname(master), O_RDWR), 0);
	return execl("/proc/self/exe", "deeds", "nothing", NULL);
}

// Runs a program in the process group of one that is no ancestor of it and waits.
static int group(void)
{
	int leader = fork();
	if (leader == 0) {
		pause();
		_exit(0);
	}
	setpgid(leader, leader);
	int member = fork();
	if (member == 0) {
		setpgid(0, leader);
		execl("/proc/self/exe", "deeds", "nothing", NULL);
	}
	waitpid(member, NULL, 0);
	kill(leader, SIGKILL);
	return waitpid(leader, NULL, 0) != leader;
}

static void *run_nothing(void *unused)
{
	execl("/proc/self/exe", "deeds", "nothing", "from-a-thread", NULL);
	return unused;
}

// Runs a program from a thread that is not the first.
static int thread_exec(void)
{
	pthread_t thread;
	pthread_create(&thread, NULL, run_nothing, NULL);
	pthread_join(thread, NULL);
	return 1;
}

// Opens a file that is not there and is named by the thread's number and its processor.
static void *open_numbered(void *mark)
{
	char path[256];
	cpu_set_t here;
	int processor = sched_getcpu();
	CPU_ZERO(&here);
	CPU_SET(processor, &here);
	sched_setaffinity(0, sizeof(here), &here);
	snprintf(path, sizeof(path), "/nothing/%s/%d/%d", (char *)mark, gettid(), sched_getcpu());
	open(path, O_RDONLY);
	return NULL;
}

static int thread_open(char *mark)
{
	pthread_t thread;
	pthread_create(&thread, NULL, open_numbered, mark);
	return pthread_join(thread, NULL);
}

// Logs in, as far as the kernel is concerned, and opens a file.
static int login(const char *uid, const char *path)
{
	int fd = open("/proc/self/loginuid", O_WRONLY);
	if (fd < 0 || write(fd, uid, strlen(uid)) < 0)
		return 2;
	return open(path, O_RDONLY) < 0;
}

// Waits for the end of standard input.
static int wait_for_end(void)
{
	char byte;
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}

static int inet(int family, int type, int flags, int port)
{
	struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(family, type | flags, 0);
	four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (family == AF_INET)
		return connect(fd, (void *)&four, sizeof four);
	inet_pton(AF_INET6, "::ffff:127.0.0.1", &six.sin6_addr);
	return connect(fd, (void *)&six, sizeof six);
}

static int local(const char *path, int abstract)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path + abstract, path);
	return connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&address,
		       offsetof(struct sockaddr_un, sun_path) + abstract + strlen(path));
}

// Attaches to a child of its own.
static int trace(void)
{
	int child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	ptrace(PTRACE_ATTACH, child, 0, 0);
	waitpid(child, NULL, __WALL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}

#ifdef __x86_64__
// Opens through the 32-bit table; the path must be below 4 GiB.
static int compat(const char *path)
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long result;
	strcpy(low, path);
	asm volatile("int $0x80" : "=a"(result) : "a"(5), "b"(low), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
	return result;
}
#else
static int compat(const char *path) { return open(path, O_RDONLY); }
#endif

// Carries out one request through io_uring, without the system call of that name.
static int ring(struct io_uring_sqe request)
{
	struct io_uring_params params = {0};
	int fd = syscall(SYS_io_uring_setup, 1, &params);
	if (fd < 0)
		return 2;
	char *rings = mmap(NULL, params.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	struct io_uring_sqe *requests = mmap(NULL, sizeof *requests, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	requests[0] = request;
	*(unsigned *)(rings + params.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	return syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1;
}

static int ring_open(int directory, const char *path)
{
	return ring((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = directory, .addr = (unsigned long)path, .open_flags = O_RDWR | O_CREAT, .len = 0600});
}

static int ring_connect(int port)
{
	static struct sockaddr_in address = {.sin_family = AF_INET};
	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return ring((struct io_uring_sqe){.opcode = IORING_OP_CONNECT, .fd = socket(AF_INET, SOCK_STREAM, 0), .addr = (unsigned long)&address, .off = sizeof address});
}

int main(int count, char **arguments)
{
	const char *deed = count > 1 ? arguments[1] : "";
	char **rest = arguments + 2;
	struct { unsigned long long flags, mode, resolve; } how = {O_RDWR | O_CREAT, 0640, 0};
	if (!strcmp(deed, "memfd"))
		return memfd(rest);
	if (!strcmp(deed, "deleted"))
		return deleted(rest);
	if (!strcmp(deed, "terminal"))
		return terminal();
	if (!strcmp(deed, "group"))
		return group();
	if (!strcmp(deed, "thread-exec"))
		return thread_exec();
	if (!strcmp(deed, "thread-open"))
		return thread_open(rest[0]);
	if (!strcmp(deed, "login"))
		return login(rest[0], rest[1]);
	if (!strcmp(deed, "wait"))
		return wait_for_end();
	if (!strcmp(deed, "openat2"))
		return syscall(437, AT_FDCWD, rest[0], &how, sizeof how) < 0;
	if (!strcmp(deed, "creat"))
		return creat(rest[0], 0604) < 0;
	if (!strcmp(deed, "openat-in"))
		return openat(open(rest[0], O_PATH | O_DIRECTORY), rest[1], O_RDONLY) < 0;
	if (!strcmp(deed, "compat"))
		return compat(rest[0]) < 0;
	if (!strcmp(deed, "as-nobody")) {
		if (setgid(65534) || setuid(65534))
			return 1;
		return open(rest[0], O_RDONLY) < 0;
	}
	if (!strcmp(deed, "tcp"))
		return inet(AF_INET, SOCK_STREAM, 0, atoi(rest[0])) != 0;
	if (!strcmp(deed, "tcp-nonblocking"))
		return inet(AF_INET, SOCK_STREAM, SOCK_NONBLOCK, atoi(rest[0])) != 0;
	if (!strcmp(deed, "tcp-mapped"))
		return inet(AF_INET6, SOCK_STREAM, 0, atoi(rest[0])) != 0;
	if (!strcmp(deed, "udp"))
		return inet(AF_INET, SOCK_DGRAM, 0, atoi(rest[0])) != 0;
	if (!strcmp(deed, "unix"))
		return local(rest[0], 0) != 0;
	if (!strcmp(deed, "abstract"))
		return local(rest[0], 1) != 0;
	if (!strcmp(deed, "ptrace"))
		return trace();
	if (!strcmp(deed, "module"))
		return syscall(SYS_finit_module, open(rest[0], O_RDONLY), rest[1], 0) == 0;
	if (!strcmp(deed, "module-memory"))
		return syscall(SYS_init_module, "not a module", 12ul, rest[0]) == 0;
	if (!strcmp(deed, "ring-open"))
		return ring_open(AT_FDCWD, rest[0]);
	if (!strcmp(deed, "ring-connect"))
		return ring_connect(atoi(rest[0]));
	if (!strcmp(deed, "rmdir"))
		return unlinkat(AT_FDCWD, rest[0], AT_REMOVEDIR);
	if (!strcmp(deed, "open-many")) {
		for (int left = atoi(rest[0]); left > 0; left--)
			close(open("/dev/null", O_RDONLY));
		return 0;
	}
	return 0;
}
