#include "numbers.cuh"

// Winograd's convolution, before and after its products of matrices: tiles of SIDE by SIDE inputs become
// as many numbers, and those that the products leave become OUTPUTS by OUTPUTS outputs.
//
// A thread has a tile of one channel, in registers. Threads of a warp have neighbouring tiles, so that
// they read and write neighbours of the transformed numbers, which have an axis of tiles at the end.
constexpr int SIDE = 6;
constexpr int OUTPUTS = SIDE + 1 - TAPS;

struct Matrix {
    NUMBER at[SIDE][SIDE];
};

// Where polynomials are evaluated, beside infinity: see `core.conv.cook_toom`.
__host__ __device__ constexpr NUMBER point(int i)
{
    return (NUMBER)(i == 0 ? 0 : i == 1 ? 0.5 : i == 2 ? -0.5 : i == 3 ? 2 : -2);
}

// Coefficients, the constant one first, of the polynomials that vanish at all points but one.
__host__ __device__ constexpr Matrix matrix_of_inputs()
{
    Matrix b = {};
    for (int row = 0; row < SIDE; row++) {
        b.at[row][0] = 1;
        for (int root = 0; root < SIDE - 1; root++) {
            if (root == row)
                continue;
            for (int k = SIDE - 1; k > 0; k--)
                b.at[row][k] = b.at[row][k - 1] - point(root) * b.at[row][k];
            b.at[row][0] *= -point(root);
        }
    }
    return b;
}

// Powers of the points.
__host__ __device__ constexpr Matrix matrix_of_outputs()
{
    Matrix a = {};
    for (int column = 0; column < SIDE - 1; column++) {
        a.at[0][column] = 1;
        for (int row = 1; row < OUTPUTS; row++)
            a.at[row][column] = a.at[row - 1][column] * point(column);
    }
    a.at[OUTPUTS - 1][SIDE - 1] = 1;
    return a;
}

// A matrix times `from`, transposed. The compiler knows the matrix and leaves zeros out.
template <Matrix (*MATRIX)(), int COUNT, int N>
__device__ void multiply(const NUMBER (&from)[SIDE][N], NUMBER (&to)[N][COUNT])
{
    constexpr Matrix matrix = MATRIX();
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            to[j][i] = 0;
#pragma unroll
            for (int k = 0; k < SIDE; k++)
                if (matrix.at[i][k] != 0)
                    to[j][i] += matrix.at[i][k] * from[k][j];
        }
}

// A matrix times `from` times the transposed matrix.
template <Matrix (*MATRIX)(), int COUNT>
__device__ void along_both(const NUMBER (&from)[SIDE][SIDE], NUMBER (&to)[COUNT][COUNT])
{
    NUMBER between[SIDE][COUNT];
    multiply<MATRIX>(from, between);
    multiply<MATRIX>(between, to);
}

// Where a tile's outputs begin, of `rows` times `columns` tiles of each image. Its inputs begin as far from
// the first input of all.
struct Place {
    long long image, row, column;
};

__device__ Place place_of(long long tile, long long rows, long long columns)
{
    return {tile / columns / rows, tile / columns % rows * OUTPUTS, tile % columns * OUTPUTS};
}

// `values` has SIDE * SIDE times `channels` times `images * rows * columns` numbers. Distances are counted
// in numbers; `first_row` and `first_column` are those of the first tile's first input.
extern "C" __global__ void __launch_bounds__(THREADS) transform_inputs(
    const STORED *__restrict__ x, NUMBER *__restrict__ values,
    long long x_image, long long x_channel, long long x_row, long long x_column,
    long long x_rows, long long x_columns, long long first_row, long long first_column,
    long long images, long long channels, long long rows, long long columns)
{
    const long long tiles = images * rows * columns;
    const long long tile = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (tile >= tiles)
        return;
    const Place place = place_of(tile, rows, columns);
    const long long row = first_row + place.row, column = first_column + place.column;

    for (long long channel = blockIdx.y; channel < channels; channel += gridDim.y) {
        const STORED *corner = x + place.image * x_image + channel * x_channel;
        NUMBER inputs[SIDE][SIDE], transformed[SIDE][SIDE];
#pragma unroll
        for (int i = 0; i < SIDE; i++)
#pragma unroll
            for (int j = 0; j < SIDE; j++) {
                const bool inside = row + i >= 0 && row + i < x_rows && column + j >= 0
                    && column + j < x_columns;
                inputs[i][j] =
                    inside ? number(corner[(row + i) * x_row + (column + j) * x_column]) : 0;
            }
        along_both<matrix_of_inputs>(inputs, transformed);
#pragma unroll
        for (int i = 0; i < SIDE; i++)
#pragma unroll
            for (int j = 0; j < SIDE; j++)
                values[((i * SIDE + j) * channels + channel) * tiles + tile] = transformed[i][j];
    }
}

// `products` are as `values` above, of output channels. Of the outputs of an image those are written that
// are before `y_rows` and `y_columns`.
extern "C" __global__ void __launch_bounds__(THREADS) transform_outputs(
    const NUMBER *__restrict__ products, RESULT *__restrict__ y,
    long long y_image, long long y_channel, long long y_row, long long y_column,
    long long y_rows, long long y_columns,
    long long images, long long channels, long long rows, long long columns)
{
    const long long tiles = images * rows * columns;
    const long long tile = (long long)blockIdx.x * THREADS + threadIdx.x;
    if (tile >= tiles)
        return;
    const Place place = place_of(tile, rows, columns);

    for (long long channel = blockIdx.y; channel < channels; channel += gridDim.y) {
        RESULT *corner = y + place.image * y_image + channel * y_channel;
        NUMBER transformed[SIDE][SIDE], outputs[OUTPUTS][OUTPUTS];
#pragma unroll
        for (int i = 0; i < SIDE; i++)
#pragma unroll
            for (int j = 0; j < SIDE; j++)
                transformed[i][j] = products[((i * SIDE + j) * channels + channel) * tiles + tile];
        along_both<matrix_of_outputs>(transformed, outputs);
#pragma unroll
        for (int i = 0; i < OUTPUTS; i++)
#pragma unroll
            for (int j = 0; j < OUTPUTS; j++)
                if (place.row + i < y_rows && place.column + j < y_columns)
                    corner[(place.row + i) * y_row + (place.column + j) * y_column] =
                        rounded<RESULT>(outputs[i][j]);
    }
}
