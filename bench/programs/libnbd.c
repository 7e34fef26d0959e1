/*
 * The peer: libnbd in C, used as its manual recommends for speed: asynchronous commands with completion callbacks, and
 * nbd_poll.
 *
 *   libnbd URI read|write LENGTH IN_FLIGHT WARM_UP REQUESTS
 *   libnbd URI handshakes 0 1 WARM_UP CONNECTIONS
 *
 * Prints the cost as one line of JSON, see usage.ts.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <libnbd.h>

struct slot {
  char *buffer;
  bool busy;
};

static struct {
  const char *uri;
  const char *operation;
  size_t length;
  size_t in_flight;
} workload;

static struct slot *slots;
static uint64_t answered;

static void
fail (void)
{
  fprintf (stderr, "%s\n", nbd_get_error ());
  exit (EXIT_FAILURE);
}

static double
now (void)
{
  struct timespec time;
  clock_gettime (CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double
cpu (void)
{
  struct rusage usage;
  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6
    + usage.ru_stime.tv_sec + usage.ru_stime.tv_usec / 1e6;
}

static long
peak_rss_bytes (void)
{
  struct rusage usage;
  getrusage (RUSAGE_SELF, &usage);
  return usage.ru_maxrss * 1024;
}

static int
completed (void *opaque, int *error)
{
  struct slot *slot = opaque;
  if (*error != 0) {
    fprintf (stderr, "a command failed: %s\n", strerror (*error));
    exit (EXIT_FAILURE);
  }
  slot->busy = false;
  answered++;
  return 1;
}

static void
send_request (struct nbd_handle *nbd, struct slot *slot, uint64_t offset)
{
  nbd_completion_callback callback = { .callback = completed, .user_data = slot };
  int64_t cookie;
  slot->busy = true;
  if (strcmp (workload.operation, "write") == 0)
    cookie = nbd_aio_pwrite (nbd, slot->buffer, workload.length, offset, callback, 0);
  else
    cookie = nbd_aio_pread (nbd, slot->buffer, workload.length, offset, callback, 0);
  if (cookie == -1)
    fail ();
}

/* After each poll, every completed command is replaced by the next one. */
static void
run_requests (struct nbd_handle *nbd, uint64_t requests)
{
  uint64_t places = nbd_get_size (nbd) / workload.length;
  uint64_t sent = 0;
  answered = 0;
  while (answered < requests) {
    for (size_t i = 0; i < workload.in_flight && sent < requests; i++) {
      if (!slots[i].busy)
        send_request (nbd, &slots[i], sent++ % places * workload.length);
    }
    if (nbd_poll (nbd, -1) == -1)
      fail ();
  }
}

static struct nbd_handle *
connected (void)
{
  struct nbd_handle *nbd = nbd_create ();
  if (nbd == NULL
      || nbd_set_uri_allow_local_file (nbd, true) == -1
      /* The manual recommends to skip the zeroing of each buffer for speed. */
      || nbd_set_pread_initialize (nbd, false) == -1
      || nbd_connect_uri (nbd, workload.uri) == -1)
    fail ();
  return nbd;
}

static void
disconnect (struct nbd_handle *nbd)
{
  if (nbd_shutdown (nbd, 0) == -1)
    fail ();
  nbd_close (nbd);
}

static void
run_handshakes (uint64_t connections)
{
  for (uint64_t i = 0; i < connections; i++)
    disconnect (connected ());
}

int
main (int argc, char *argv[])
{
  if (argc != 7) {
    fprintf (stderr, "usage: %s URI OPERATION LENGTH IN_FLIGHT WARM_UP REQUESTS\n", argv[0]);
    return EXIT_FAILURE;
  }
  workload.uri = argv[1];
  workload.operation = argv[2];
  workload.length = strtoull (argv[3], NULL, 10);
  workload.in_flight = strtoull (argv[4], NULL, 10);
  uint64_t warm_up = strtoull (argv[5], NULL, 10);
  uint64_t requests = strtoull (argv[6], NULL, 10);
  bool handshakes = strcmp (workload.operation, "handshakes") == 0;
  struct nbd_handle *nbd = handshakes ? NULL : connected ();

  slots = calloc (workload.in_flight, sizeof *slots);
  for (size_t i = 0; i < workload.in_flight; i++) {
    slots[i].buffer = malloc (workload.length + 1);
    /* Memory that was never written is a single page of zeroes to the kernel. */
    memset (slots[i].buffer, 0xa5, workload.length + 1);
  }

  if (handshakes) run_handshakes (warm_up); else run_requests (nbd, warm_up);
  double start = now (), start_cpu = cpu ();
  if (handshakes) run_handshakes (requests); else run_requests (nbd, requests);
  printf ("{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"peakRssBytes\":%ld}\n",
          now () - start, cpu () - start_cpu, peak_rss_bytes ());
  if (!handshakes) disconnect (nbd);
  return EXIT_SUCCESS;
}
