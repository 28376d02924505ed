/* Connects sockets of every sort and makes other calls. Arguments: an empty folder, a seed, how many
 * calls. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long state;
static const char *top;
static unsigned short open_port;

static unsigned pick(unsigned below)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return (state >> 33) % below;
}

/* Listens at both loopback addresses, and at a path. */
static void listen_everywhere(void)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	socklen_t length = sizeof six;
	int inet = socket(AF_INET6, SOCK_STREAM, 0), unix_one = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(inet, (void *)&six, sizeof six) || listen(inet, 4096) ||
	    getsockname(inet, (void *)&six, &length))
		exit(2);
	open_port = ntohs(six.sin6_port);
	snprintf(local.sun_path, sizeof local.sun_path, "%s/socket", top);
	if (bind(unix_one, (void *)&local, sizeof local) || listen(unix_one, 4096))
		exit(3);
}

static unsigned short port(void)
{
	static const unsigned short ports[] = {1, 7, 443, 1000, 1001, 65000};
	return htons(pick(2) ? open_port : ports[pick(6)]);
}

static void connect_inet(void)
{
	static const char *addresses[] = {"127.0.0.1", "127.0.0.2", "127.1.0.1"};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port()};
	inet_pton(AF_INET, addresses[pick(3)], &to.sin_addr);
	int fd = socket(AF_INET, (pick(3) ? SOCK_STREAM : SOCK_DGRAM) | (pick(3) ? 0 : SOCK_NONBLOCK), 0);
	connect(fd, (void *)&to, sizeof to);
	close(fd);
}

static void connect_inet6(void)
{
	static const char *addresses[] = {"::1", "::ffff:127.0.0.1", "::ffff:127.0.0.2", "::ffff:127.1.0.1"};
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = port()};
	inet_pton(AF_INET6, addresses[pick(4)], &to.sin6_addr);
	int fd = socket(AF_INET6, (pick(3) ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
	connect(fd, (void *)&to, sizeof to);
	close(fd);
}

static void connect_unix(void)
{
	static const char *names[] = {"socket", "missing", "data\xff.sock", ""};
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	socklen_t length = sizeof to;
	unsigned way = pick(5);
	if (way < 4) {
		snprintf(to.sun_path, sizeof to.sun_path, "%s/%s", pick(3) ? top : ".", names[way]);
	} else {
		memcpy(to.sun_path, "\0socket\0more", 12);
		length = offsetof(struct sockaddr_un, sun_path) + (pick(2) ? 12 : 7);
	}
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	connect(fd, (void *)&to, pick(12) ? length : 2);
	close(fd);
}

static void connect_nothing(void)
{
	struct sockaddr to = {.sa_family = AF_UNSPEC};
	int fd = pick(2) ? socket(AF_NETLINK, SOCK_RAW, 0) : open("/dev/null", O_RDONLY);
	connect(pick(3) ? fd : 999, &to, sizeof to);
	close(fd);
}

static void call(void)
{
	switch (pick(6)) {
	case 0: close(socket(pick(2) ? AF_NETLINK : AF_PACKET, SOCK_RAW, 0)); break;
	case 1: kill(pick(2) ? getpid() : 0x3fffffff, pick(2) ? 0 : -1); break;
	case 2: prctl(pick(2) ? PR_GET_DUMPABLE : PR_GET_NO_NEW_PRIVS, pick(2), 0, 0, 0); break;
	case 3: syscall(SYS_setresuid, -1, pick(2) ? -1 : geteuid(), -1); break;
	case 4: syscall(SYS_setpgid, pick(2) ? 0x3fffffff : 0, pick(2) ? -1 : 0); break;
	default: close(socket(pick(60), SOCK_STREAM, 0)); break;
	}
}

static void calls(int count)
{
	for (int i = 0; i < count; i++) {
		switch (pick(6)) {
		case 0: connect_inet(); break;
		case 1: connect_inet6(); break;
		case 2: connect_unix(); break;
		case 3: connect_nothing(); break;
		default: call(); break;
		}
	}
}

int main(int count, char **arguments)
{
	int status;
	if (count != 4)
		return 1;
	top = arguments[1];
	state = atol(arguments[2]);
	listen_everywhere();
	calls(atoi(arguments[3]));
	pid_t child = fork();
	if (child == 0) {
		if (setresuid(1000, 1000, 1000))
			_exit(5);
		calls(atoi(arguments[3]) / 2);
		_exit(0);
	}
	return child < 0 || waitpid(child, &status, 0) != child || status ? 6 : 0;
}
