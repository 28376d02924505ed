// Does one deed of each kind of event, from user space that makes no other calls: `deeds NAME`.
// Without a name it lists them in order. It runs in a folder of its own, which it fills itself.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// Plain calls: the C library may ask for another one than it is named after.
#define CALL(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void must(long result)
{
	if (result < 0) {
		perror("deeds");
		exit(1);
	}
}

static long opened(const char *path, int flags) { return CALL(open, path, flags); }
static long socket_of(int family, int type) { return CALL(socket, family, type, 0); }

static struct sockaddr_in inet_at(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void file_open(void) { must(CALL(open, "plain", O_RDONLY)); }
static void file_open_missing(void) { CALL(open, "missing/file", O_RDWR); }
static void file_open_link(void) { must(CALL(open, "link", O_RDONLY)); }
static void file_creat(void) { must(CALL(creat, "created", 0604)); }
static void file_openat(void) { must(CALL(openat, opened("folder", O_PATH | O_DIRECTORY), "../folder/./inner", O_RDWR)); }
static void file_openat_make(void) { must(CALL(openat, AT_FDCWD, "made", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640)); }
static void file_openat_bad(void) { CALL(openat, AT_FDCWD, (char *)8, O_RDONLY); }
static void file_openat2(void)
{
	struct { unsigned long long flags, mode, resolve; } how = {O_RDWR | O_CREAT, 0640, 0x10};
	CALL(openat2, AT_FDCWD, "second", &how, sizeof how);
	how.resolve = 0x08; // RESOLVE_BENEATH: the way up is refused.
	CALL(openat2, AT_FDCWD, "../up", &how, sizeof how);
}
static void file_close(void) { must(CALL(close, opened("plain", O_RDONLY))); }
static void file_dup(void)
{
	long file = CALL(open, "plain", O_RDONLY);
	must(CALL(dup, file));
	must(CALL(dup2, file, 20));
	must(CALL(dup3, file, 21, O_CLOEXEC));
}
static void file_mkdir(void) { must(CALL(mkdir, "folder/new", 0750)); must(CALL(mkdirat, AT_FDCWD, "folder/newer", 0700)); }
static void file_rmdir(void) { must(CALL(rmdir, "folder/new")); must(CALL(unlinkat, AT_FDCWD, "folder/newer", AT_REMOVEDIR)); }
static void file_unlink(void) { must(CALL(unlink, "created")); CALL(unlink, "missing"); }
static void file_unlinkat(void) { must(CALL(unlinkat, opened("folder", O_PATH), "inner", 0)); }
static void file_rename(void)
{
	must(CALL(rename, "made", "folder/renamed"));
	must(CALL(renameat, opened("folder", O_PATH), "renamed", AT_FDCWD, "made"));
	must(CALL(renameat2, AT_FDCWD, "made", AT_FDCWD, "plain", 2)); // RENAME_EXCHANGE
	must(CALL(renameat2, AT_FDCWD, "made", AT_FDCWD, "plain", 2));
}
static void file_link(void)
{
	must(CALL(link, "plain", "hard"));
	must(CALL(linkat, AT_FDCWD, "plain", AT_FDCWD, "harder", 0));
	must(CALL(symlink, "/target/of/link", "soft"));
	must(CALL(symlinkat, "target", AT_FDCWD, "softer"));
}
static void file_chmod(void)
{
	must(CALL(chmod, "plain", 04755));
	must(CALL(fchmod, opened("plain", O_RDONLY), 0640));
	must(CALL(fchmodat, AT_FDCWD, "plain", 0644));
}
static void file_mount(void)
{
	must(CALL(mount, "none", "folder", "tmpfs", MS_NOSUID | MS_NOEXEC, "size=1m"));
	must(CALL(umount2, "folder", MNT_DETACH));
}
static void file_chroot(void) { must(CALL(chdir, "folder")); must(CALL(fchdir, opened("..", O_PATH))); must(CALL(chroot, "folder")); }
static void file_memfd(void) { must(CALL(memfd_create, "in memory", MFD_CLOEXEC)); CALL(userfaultfd, 1 /* only user space's faults */); }

static void socket_stream(void)
{
	struct sockaddr_in at = inet_at(7001);
	char text[] = "hello";
	struct iovec part = {text, sizeof text};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	long server = CALL(socket, AF_INET, SOCK_STREAM, 0);
	setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	must(CALL(bind, server, &at, sizeof at));
	must(CALL(listen, server, 5));
	long client = CALL(socket, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in from = inet_at(7002);
	must(bind(client, (void *)&from, sizeof from));
	must(CALL(connect, client, &at, sizeof at));
	long peer = CALL(accept4, server, NULL, NULL, SOCK_CLOEXEC);
	must(peer);
	must(CALL(sendto, client, text, 5ul, 0, NULL, 0));
	must(CALL(recvfrom, peer, text, 5ul, 0, NULL, NULL));
	must(CALL(sendmsg, peer, &message, 0));
	must(CALL(recvmsg, client, &message, 0));
}
static void socket_accept(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "socket"};
	long server = CALL(socket, AF_UNIX, SOCK_STREAM, 0), client = socket_of(AF_UNIX, SOCK_STREAM);
	must(CALL(bind, server, &at, sizeof at));
	must(CALL(listen, server, 1));
	must(CALL(connect, client, &at, sizeof at));
	must(CALL(accept, server, NULL, NULL));
}
static void socket_refused(void)
{
	struct sockaddr_in at = inet_at(7999);
	CALL(connect, socket_of(AF_INET, SOCK_STREAM), &at, sizeof at);
}
static void socket_datagram(void)
{
	struct sockaddr_in at = inet_at(7998), from = inet_at(7997);
	long client = CALL(socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	must(bind(client, (void *)&from, sizeof from));
	must(CALL(sendto, client, "ping", 4ul, 0, &at, sizeof at));
	must(CALL(connect, client, &at, sizeof at));
}
static void socket_six(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(7996), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	CALL(connect, socket_of(AF_INET6, SOCK_STREAM), &at, sizeof at);
}
static void socket_abstract(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "\0nobody listens"};
	CALL(connect, socket_of(AF_UNIX, SOCK_STREAM), &at, offsetof(struct sockaddr_un, sun_path) + 15);
}

static void process_ptrace(void)
{
	int child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	CALL(ptrace, PTRACE_ATTACH, child, 0, 0);
	waitpid(child, NULL, __WALL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}
static void process_namespaces(void)
{
	must(CALL(unshare, CLONE_NEWUTS | CLONE_NEWIPC));
	must(CALL(setns, opened("/proc/1/ns/uts", O_RDONLY), CLONE_NEWUTS));
}
static void process_session(void)
{
	int child = fork();
	if (child == 0) {
		CALL(setpgid, 0, 0);
		_exit(CALL(setsid) < 0); // Refused to the leader of a group.
	}
	waitpid(child, NULL, 0);
}
static void process_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{.effective = 1 << CAP_KILL, .permitted = 1 << CAP_KILL}};
	must(CALL(prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	must(CALL(capset, &header, data));
}
static void process_user(void)
{
	must(CALL(setresgid, 65534, 65534, 65534));
	must(CALL(setregid, -1, 65534));
	must(CALL(setgid, 65534));
	must(CALL(setresuid, 1000, 1000, 0));
	must(CALL(setreuid, -1, 1000));
	CALL(setuid, 0);
}
static void process_exec(void)
{
	char *const arguments[] = {"another name", "list\nof", NULL}, *const none[] = {NULL};
	CALL(execve, "/root/missing", arguments, none);
	CALL(execveat, AT_FDCWD, "/bin/deeds", arguments, none, 0);
}
static void process_clone(void)
{
	long child = CALL(clone, SIGCHLD, 0, 0, 0, 0);
	if (child == 0)
		_exit(3);
	waitpid(child, NULL, 0);
	child = CALL(fork);
	if (child == 0)
		abort();
	waitpid(child, NULL, 0);
}

static void kernel_module(void)
{
	CALL(init_module, "not a module", 12ul, "answer=42");
	CALL(finit_module, opened("plain", O_RDONLY), "answer=43", 1);
}
static void kernel_bpf(void)
{
	union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
	must(CALL(bpf, BPF_MAP_CREATE, &map, sizeof map));
}

// Carries out one request through io_uring, without the system call of that name.
static void ring(struct io_uring_sqe request)
{
	struct io_uring_params params = {0};
	int fd = CALL(io_uring_setup, 1, &params);
	must(fd);
	char *rings = mmap(NULL, params.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQ_RING);
	struct io_uring_sqe *requests = mmap(NULL, sizeof *requests, PROT_READ | PROT_WRITE, MAP_SHARED, fd, IORING_OFF_SQES);
	requests[0] = request;
	*(unsigned *)(rings + params.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(rings + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	must(CALL(io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
}
#define TEXT(text) ((unsigned long)(text))
static void ring_open(void) { ring((struct io_uring_sqe){.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .addr = TEXT("link"), .open_flags = O_RDWR, .len = 0600}); }
static void ring_connect(void)
{
	struct sockaddr_in at = inet_at(7995);
	ring((struct io_uring_sqe){.opcode = IORING_OP_CONNECT, .fd = socket(AF_INET, SOCK_STREAM, 0), .addr = TEXT(&at), .off = sizeof at});
}
static void ring_unlink(void) { ring((struct io_uring_sqe){.opcode = IORING_OP_UNLINKAT, .fd = AT_FDCWD, .addr = TEXT("hard")}); }
static void ring_rename(void) { ring((struct io_uring_sqe){.opcode = IORING_OP_RENAMEAT, .fd = AT_FDCWD, .addr = TEXT("harder"), .len = AT_FDCWD, .off = TEXT("hardest")}); }

// The 32-bit way in. This program is linked to an address below 4 GiB, so its texts are there too.
static long compat(long number, long a, long b, long c)
{
	long result;
	asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
	return result;
}
static void compat_open(void) { must(compat(5, (long)"link", O_RDONLY, 0)); must(compat(295, AT_FDCWD, (long)"plain", O_RDONLY)); }
static void compat_unlink(void) { compat(10, (long)"missing", 0, 0); }
static void compat_connect(void)
{
	static struct sockaddr_in at;
	static unsigned packed[3];
	at = inet_at(7994);
	packed[0] = socket(AF_INET, SOCK_STREAM, 0);
	packed[1] = (unsigned)(unsigned long)&at;
	packed[2] = sizeof at;
	compat(102, 3 /* SYS_CONNECT */, (long)packed, 0);
	compat(362, packed[0], (long)&at, sizeof at);
}

static const struct { const char *name; void (*does)(void); } deeds[] = {
#define DEED(name) {#name, name}
	DEED(file_open), DEED(file_open_missing), DEED(file_open_link), DEED(file_creat), DEED(file_openat),
	DEED(file_openat_make), DEED(file_openat_bad), DEED(file_openat2), DEED(file_close), DEED(file_dup),
	DEED(file_mkdir), DEED(file_rmdir), DEED(file_unlink), DEED(file_unlinkat), DEED(file_rename),
	DEED(file_link), DEED(file_chmod), DEED(file_mount), DEED(file_chroot), DEED(file_memfd),
	DEED(socket_stream), DEED(socket_accept), DEED(socket_refused), DEED(socket_datagram),
	DEED(socket_six), DEED(socket_abstract),
	DEED(process_ptrace), DEED(process_namespaces), DEED(process_session), DEED(process_capabilities),
	DEED(process_user), DEED(process_exec), DEED(process_clone), DEED(kernel_module), DEED(kernel_bpf),
	DEED(ring_open), DEED(ring_connect), DEED(ring_unlink), DEED(ring_rename),
	DEED(compat_open), DEED(compat_unlink), DEED(compat_connect),
};

int main(int count, char **arguments)
{
	for (size_t index = 0; index < sizeof deeds / sizeof *deeds; index++) {
		if (count < 2)
			puts(deeds[index].name);
		else if (!strcmp(arguments[1], deeds[index].name))
			deeds[index].does();
	}
	return 0;
}
