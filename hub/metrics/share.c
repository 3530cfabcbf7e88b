/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the cells and streams of all processes: one slab each, in memory that is shared from before they are
 * forked. Each writes its own slab alone, and reads all. A cell is one word; rows of streams have a version,
 * which is odd while they are written.
 */
#include "hub/metrics/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define READ_TRIES 100

struct slab {
	int64_t cells[METRIC_CELL_COUNT];
	atomic_uint version;
	size_t stream_count;
	struct metrics_stream streams[];
};

static struct slab alone; /* until metrics_open(), and after metrics_close() */

static struct {
	char *memory; /* NULL: alone */
	size_t slab_size;
	unsigned processes;
	size_t streams;
	struct slab *own;
	size_t put; /* streams, since metrics_streams_begin() */
} share = { .processes = 1, .own = &alone };

int64_t *metrics_cells = alone.cells;

static struct slab *slab_of(unsigned process)
{
	return share.memory != NULL ? (struct slab *)(void *)(share.memory + process * share.slab_size) : &alone;
}

int metrics_open(unsigned processes, size_t streams, struct ssf_err *err)
{
	size_t size = sizeof(struct slab) + streams * sizeof(struct metrics_stream);
	void *memory;

	size = (size + 4095) / 4096 * 4096;
	memory = mmap(NULL, processes * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return ssf_fail(err, SSF_E_NOMEM, "metrics");
	share.memory = memory;
	share.slab_size = size;
	share.processes = processes;
	share.streams = streams;
	metrics_be(0);
	return 0;
}

void metrics_be(unsigned process)
{
	share.own = slab_of(process);
	metrics_cells = share.own->cells;
	share.own->stream_count = 0;
	atomic_store(&share.own->version, 0);
	for (size_t m = 0; m < METRIC_ID_COUNT; m++) {
		if (metrics_table[m].type == METRIC_GAUGE)
			memset(metrics_cells + metrics_table[m].cell, 0,
			       metric_cell_count(&metrics_table[m]) * sizeof(int64_t));
	}
}

void metrics_close(void)
{
	if (share.memory != NULL)
		munmap(share.memory, share.processes * share.slab_size);
	share.memory = NULL;
	share.processes = 1;
	share.streams = 0;
	share.own = &alone;
	metrics_cells = alone.cells;
}

unsigned metrics_processes(void)
{
	return share.processes;
}

void metrics_together(int64_t cells[METRIC_CELL_COUNT])
{
	memcpy(cells, slab_of(0)->cells, METRIC_CELL_COUNT * sizeof(*cells));
	for (unsigned i = 1; i < share.processes; i++)
		metrics_join(metrics_table, METRIC_ID_COUNT, slab_of(i)->cells, cells);
}

/* --- streams ---------------------------------------------------------------------------------------- */

void metrics_streams_begin(void)
{
	atomic_fetch_add(&share.own->version, 1);
	share.put = 0;
}

void metrics_streams_put(const char *id, int64_t lag_ms, int64_t waiting_events, int64_t unread_seqs)
{
	struct metrics_stream *s;

	if (share.put == share.streams)
		return;
	s = &share.own->streams[share.put++];
	snprintf(s->id, sizeof(s->id), "%s", id);
	s->lag_ms = lag_ms;
	s->waiting_events = waiting_events;
	s->unread_seqs = unread_seqs;
}

void metrics_streams_end(void)
{
	share.own->stream_count = share.put;
	atomic_fetch_add(&share.own->version, 1);
}

/* How many were copied; 0 if they were never left alone for long enough: then they come with the next scrape. */
static size_t copy_streams(struct slab *slab, struct metrics_stream *out)
{
	for (int i = 0; i < READ_TRIES; i++) {
		unsigned before = atomic_load(&slab->version);
		size_t count = slab->stream_count;

		if (before % 2 != 0 || count > share.streams)
			continue;
		memcpy(out, slab->streams, count * sizeof(*out));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load(&slab->version) == before)
			return count;
	}
	return 0;
}

struct metrics_stream *metrics_streams_together(size_t *count)
{
	size_t room = 1;
	struct metrics_stream *out;

	*count = 0;
	for (unsigned i = 0; i < share.processes; i++)
		room += share.streams;
	out = malloc(room * sizeof(*out));
	for (unsigned i = 0; out != NULL && i < share.processes; i++)
		*count += copy_streams(slab_of(i), out + *count);
	return out;
}
