# docker build --tag imbtrain .
# docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" imbtrain weights data.csv
FROM python:3.11-slim

# torch apart, since PyPI has it for GPUs alone, with gigabytes of CUDA
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch==2.13.0

COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY imbalance_cli /source/imbalance_cli
ARG EXTRAS=excel,onnx,cloud
RUN pip install --no-cache-dir --constraint /source/constraints.txt "/source[${EXTRAS}]"

RUN useradd --create-home imbtrain
USER imbtrain
# whoever --user names has no home
ENV MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /work
ENTRYPOINT ["imbtrain"]
CMD ["--help"]
