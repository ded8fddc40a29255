/** The text of the reference page. */
export const SPARK_SUBMIT_DOCS = `
Runs a Python file or a jar with \`spark-submit\`, as a list of words: no shell sees it. Where it runs is a matter of the
connection, not of the DAG.

\`\`\`yaml
tasks:
  rfm:
    spark_submit:
      application: jobs/rfm.py
      args: ["--date", "{{ interval.start }}"]
      py_files: [jobs/features.py]
      conf: { spark.sql.shuffle.partitions: 64 }
      executor_memory: 4g
      num_executors: 8
      writes: [gold.rfm]
    checks:
      - not_null: customer_id
    pool: spark
  score:
    spark_submit: { application: "s3a://jobs/score-1.4.jar", class: com.example.Score, deploy_mode: cluster }
\`\`\`

**Files.** A relative path to a \`.py\` file names a file of the project: it belongs to the version of the DAG, and a run
executes it as it was when it was planned. Other relative paths (jars, archives, data) are files of the project too, read
when the task runs. A URI or an absolute path is handed to Spark as it is.

**Connection** (type \`spark\` in sluice.yaml): \`master\`, \`deploy_mode\`, \`spark_home\` or \`submit\` (path of spark-submit),
\`conf\`, \`env\` (such as \`JAVA_HOME\`, \`SPARK_CONF_DIR\`, \`HADOOP_CONF_DIR\`, \`PYSPARK_PYTHON\`), \`submission_url\`, \`web_url\` and \`event_log\`. Its \`conf\` may hold
secrets: it reaches Spark through a file that only the worker can read, never the process list.

**While it runs**, the log shows Spark's entries with their levels, and the progress shows stages and tasks. The id of the
application is saved as soon as it is known. A cancel or a timeout ends the process tree and the application in the cluster.

**After a crash of the worker** the next attempt follows a driver that runs inside a standalone cluster (deploy mode \`cluster\`), also one whose
id the crash has swallowed. In all other cases it first ends what the earlier one has left, and then submits anew.

**Writing once.** A Spark job commits by itself, so it must make its write idempotent: see [Spark](../../guides/spark.md). It finds its
commit token in \`SLUICE_COMMIT_TOKEN\` and in \`spark.sluice.token\`, beside \`spark.sluice.run_id\`, \`spark.sluice.task\`,
\`spark.sluice.interval_start\` and others.

**Tables** named by \`writes\` are looked at before and after the job; the versions it has made are linked to the run.
\`checks\` of the task run on that table **after** the write. They fail the task, and stop what needs it, but the rows are
published already: this is an audit, not a gate.

**Outputs** (deploy mode \`client\`): one JSON object of at most 64 kB in the file named by \`SLUICE_OUTPUTS\`.
`
