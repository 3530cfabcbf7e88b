/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ownership in synchronous code: a local that owns something says so where it
 * is declared and is released when it leaves its scope; SSF_STEAL is the only
 * way for it to leave alive.
 */
#pragma once

#define ssf_auto(T) __attribute__((cleanup(T##_autop))) struct T *
#define SSF_DEFINE_AUTO(T) \
	static inline void T##_autop(struct T **p) \
	{ \
		T##_free(*p); \
		*p = NULL; \
	}
#define SSF_STEAL(p) \
	__extension__({ \
		__typeof__(p) stolen_ = (p); \
		(p) = NULL; \
		stolen_; \
	})

#define ssf_auto_free __attribute__((cleanup(ssf_free_autop)))
void ssf_free_autop(void *p); /* p points to the pointer to free */

#define SSF_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
