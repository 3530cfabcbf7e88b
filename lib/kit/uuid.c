/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/kit/uuid.h"

#include "lib/kit/loop.h"

#include <openssl/rand.h>

#include <stdint.h>
#include <stdio.h>

void uuid_make(char out[UUID_LEN])
{
	uint8_t b[16];
	uint64_t ms = (uint64_t)wall_now_ms();

	RAND_bytes(b, sizeof(b));
	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)(ms >> (40 - 8 * i));
	b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	snprintf(out, UUID_LEN,
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		 b[15]);
}
