// What kernels on planes of outputs have in common; it stands before each of their sources.
//
// Defined from outside: STORED and NUMBER, the types of inputs and of everything else; HEIGHT and
// WIDTH of the convolution kernel; ROWS and COLUMNS of the outputs of a thread, BLOCK_Y and BLOCK_X
// of the threads of a block. Columns of a thread lie BLOCK_X apart, so that neighbouring threads
// read and write neighbouring numbers.

#define THREADS (BLOCK_X * BLOCK_Y)
#define SPAN_Y (BLOCK_Y * ROWS)
#define SPAN_X (BLOCK_X * COLUMNS)
#define TILE_ROWS (SPAN_Y + HEIGHT - 1)
#define TILE_COLUMNS (SPAN_X + WIDTH - 1)
// An odd number of columns, so that the rows of a column lie in different banks.
#define PITCH (TILE_COLUMNS | 1)

// Distances are counted in numbers. `first_row` and `first_column` are those of the input that the
// first tap of the first output meets, and may be negative. Outputs are `images` times `channels`
// times `rows` times `columns`, contiguous.
struct Planes {
    long long x_image, x_channel, x_row, x_column;
    long long x_rows, x_columns, first_row, first_column;
    long long images, channels, channels_per_group, rows, columns;
};

// Brings the inputs of a block's outputs into `tile`, with zeros where there are none.
__device__ void bring(const Planes &p, const STORED *__restrict__ x, int plane, NUMBER *tile)
{
    const int image = plane / (int)p.channels, channel = plane % (int)p.channels;
    const STORED *source =
        x + image * p.x_image + channel / (int)p.channels_per_group * p.x_channel;
    const long long first_row = blockIdx.y * SPAN_Y + p.first_row;
    const long long first_column = blockIdx.x * SPAN_X + p.first_column;
    for (int i = threadIdx.y * BLOCK_X + threadIdx.x; i < TILE_ROWS * TILE_COLUMNS; i += THREADS) {
        const int row = i / TILE_COLUMNS, column = i % TILE_COLUMNS;
        const long long r = first_row + row, c = first_column + column;
        const bool exists = r >= 0 && r < p.x_rows && c >= 0 && c < p.x_columns;
        tile[row * PITCH + column] =
            exists ? (NUMBER)source[r * p.x_row + c * p.x_column] : (NUMBER)0;
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
