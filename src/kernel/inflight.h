/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The count of I/O in flight: all writes, and the reads that found their region marked.
 *
 * Two counters for each CPU, one of which new I/O enters. A drain turns new I/O to the other one
 * and waits until the first is zero. Entering costs no shared cache line. The phases are called 1
 * and 2, so that 0 can mean "not counted".
 *
 * Why it is right: the phase is read and its counter incremented with preemption off, which is an
 * RCU reader. After synchronize_rcu() every increment of the old phase is visible and no further
 * one can come, so its sum only falls, and reading it CPU by CPU cannot give zero too early. Those
 * who entered later read the bitmap and the index after a barrier that the grace period gave their
 * CPU: they see all that was stored before the drain.
 *
 * Enter and leave: any context. Drain: may sleep; one at a time (dmr_host.drain_lock).
 */
#ifndef DMR_INFLIGHT_H
#define DMR_INFLIGHT_H

#include <linux/percpu.h>
#include <linux/preempt.h>

#define DMR_INFLIGHT_BYTES (2 * sizeof(unsigned long)) /* for each CPU */

struct dmr_inflight {
	unsigned long phase; /* 1 or 2 */
	/*
	 * Two, by phase - 1; only the sum over all CPUs means something. No array, which kernels with
	 * UBSan check each time.
	 */
	unsigned long __percpu *count;
};

/* Returns the phase, which the I/O must leave. Look up the I/O's place after this. */
static inline unsigned long dmr_inflight_enter(const struct dmr_inflight *inflight)
{
	unsigned long phase;

	preempt_disable();
	phase = READ_ONCE(inflight->phase);
	this_cpu_inc(inflight->count[phase - 1]);
	preempt_enable();
	return phase;
}

/* The last thing that is done for an I/O: what it belongs to may be freed at once. */
static inline void dmr_inflight_leave(const struct dmr_inflight *inflight, unsigned long phase)
{
	smp_wmb(); /* pairs with the drain's: what the I/O stored is seen when it is not counted */
	this_cpu_dec(inflight->count[phase - 1]);
}

#endif
