// Blocks of threads that compute neighbouring outputs of a plane, from inputs in shared memory.
//
// Defined from outside: HEIGHT and WIDTH of the convolution kernel; ROWS and COLUMNS of the outputs
// of a thread, BLOCK_Y and BLOCK_X of the threads of a block. Columns of a thread lie BLOCK_X apart,
// so that neighbouring threads read and write neighbouring numbers.
#include "planes.cuh"

#define THREADS (BLOCK_X * BLOCK_Y)
#define SPAN_Y (BLOCK_Y * ROWS)
#define SPAN_X (BLOCK_X * COLUMNS)
#define TILE_ROWS (SPAN_Y + HEIGHT - 1)
#define TILE_COLUMNS (SPAN_X + WIDTH - 1)
// An odd number of columns, so that the rows of a column lie in different banks.
#define PITCH (TILE_COLUMNS | 1)

// Brings the inputs of a block's outputs into `tile`, with zeros where there are none.
__device__ void bring(const Planes &p, const STORED *__restrict__ x, int plane, NUMBER *tile)
{
    const STORED *source = inputs_of(p, x, plane);
    const long long first_row = blockIdx.y * SPAN_Y + p.first_row;
    const long long first_column = blockIdx.x * SPAN_X + p.first_column;
    for (int i = threadIdx.y * BLOCK_X + threadIdx.x; i < TILE_ROWS * TILE_COLUMNS; i += THREADS) {
        const int row = i / TILE_COLUMNS, column = i % TILE_COLUMNS;
        tile[row * PITCH + column] = input(p, source, first_row + row, first_column + column);
    }
}

// Stores a thread's outputs, those that exist.
__device__ void put(
    const Planes &p, const NUMBER (&sums)[ROWS][COLUMNS], int plane, NUMBER *__restrict__ y)
{
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const long long row = blockIdx.y * SPAN_Y + threadIdx.y * ROWS + r;
        NUMBER *target = y + (plane * p.rows + row) * p.columns;
#pragma unroll
        for (int c = 0; c < COLUMNS; c++) {
            const long long column = blockIdx.x * SPAN_X + threadIdx.x + c * BLOCK_X;
            if (row < p.rows && column < p.columns)
                target[column] = sums[r][c];
        }
    }
}
