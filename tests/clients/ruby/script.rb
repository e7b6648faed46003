# SPDX-License-Identifier: PostgreSQL
# script - runs the scripts on its standard input with Active Record's PostgreSQL adapter and its defaults; session.py
# says how they look. The adapter sets half a dozen settings on each connection, prepares what it asks, and takes
# advisory locks for migrations.

require 'active_record'
require 'logger'

ADDRESS = { adapter: 'postgresql', host: ENV.fetch('CLIENT_HOST'), port: ENV.fetch('CLIENT_PORT').to_i,
            username: ENV.fetch('CLIENT_USER'), database: ENV.fetch('CLIENT_DATABASE') }.freeze

def words(value)
  value.nil? ? '\N' : value.to_s.tr("\t\n", '  ')
end

# The state of the error below the adapter's own.
def sqlstate(trouble)
  result = trouble.cause.respond_to?(:result) ? trouble.cause.result : nil
  result ? result.error_field(PG::Result::PG_DIAG_SQLSTATE) : nil
end

def attempt(name)
  yield
rescue StandardError => e
  warn "#{name}: #{e.class}: #{e.message.lines.first}"
  ["!#{sqlstate(e) || e.class}"]
end

# A connection of its own, from a pool of one.
def connect(startup)
  settings = startup.reject { |key, _| %w[application_name timezone].include?(key) }
  variables = startup.slice('timezone')
  given = { options: settings.map { |key, value| "-c #{key}=#{value}" }.join(' '), pool: 1, variables: variables }
  given[:application_name] = startup['application_name'] if startup['application_name']
  given.delete(:options) if settings.empty?
  holder = Class.new(ActiveRecord::Base) { self.abstract_class = true }
  Object.const_set("Holder#{holder.object_id}", holder)
  holder.establish_connection(ADDRESS.merge(given))
  holder
end

def ask(holder, sql, values)
  text = ActiveRecord::Type::String.new
  binds = values.map { |value| ActiveRecord::Relation::QueryAttribute.new('one', value, text) }
  result = holder.connection.exec_query(sql, 'ours', binds, prepare: !values.empty?)
  row = result.rows.first
  row&.first
end

class Thing < ActiveRecord::Base
  self.table_name = 'things_of_rails'
end

class MakeThings < ActiveRecord::Migration[6.1]
  def change
    create_table(:things_of_rails) do |t|
      t.string :name
      t.index :name, unique: true
      t.timestamps
    end
  end
end

class AddShape < ActiveRecord::Migration[6.1]
  disable_ddl_transaction!
  def change
    add_column :things_of_rails, :shape, :string
    add_index :things_of_rails, :shape, algorithm: :concurrently
  end
end

# Migrations under their advisory lock, objects, nested transactions, batches, statements prepared across DDL.
def mapped
  ActiveRecord::Base.establish_connection(ADDRESS)
  ActiveRecord::Migration.verbose = false
  ActiveRecord::Base.connection.execute('drop table if exists things_of_rails, schema_migrations, ar_internal_metadata')
  migrations = [[MakeThings, 1], [AddShape, 2]].map { |kind, version| kind.new(kind.name, version) }
  schema = ActiveRecord::SchemaMigration
  ActiveRecord::Migrator.new(:up, [migrations[0]], schema).migrate
  found = 50.times.map { |n| Thing.create!(name: "thing #{n}").id }.then { |ids| [ids.uniq.size] }
  Thing.transaction do
    Thing.transaction(requires_new: true) { Thing.create!(name: 'thing 1') }
  rescue ActiveRecord::RecordNotUnique => e
    found << sqlstate(e)
    Thing.create!(name: 'another')
  end
  found << Thing.in_batches(of: 7).sum { |batch| batch.to_a.size }
  10.times { |n| found << Thing.where(name: "thing #{n}").count }
  found << Thing.find_by(name: 'thing 3').attributes.size
  ActiveRecord::Migrator.new(:up, migrations, schema).migrate
  Thing.reset_column_information
  found << Thing.find_by(name: 'thing 3').attributes.size
  found << Thing.connection.select_value("select count(*) from pg_locks where locktype = 'advisory'" \
                                         ' and pid = pg_backend_pid()')
  Thing.connection.execute('drop table things_of_rails, schema_migrations, ar_internal_metadata')
  ActiveRecord::Base.remove_connection
  found
end

# Threads that share a pool, each with the zone and the encoding that the adapter set when it connected.
def pool
  ActiveRecord::Base.establish_connection(ADDRESS.merge(pool: 4, variables: { statement_timeout: '51s' }))
  found = 8.times.map do
    Thread.new do
      20.times.map do
        ActiveRecord::Base.connection_pool.with_connection do |connection|
          %w[TimeZone statement_timeout standard_conforming_strings intervalstyle].map do |name|
            connection.select_value("show #{name}")
          end
        end
      end
    end
  end.flat_map(&:value).uniq.flatten
  ActiveRecord::Base.connection.reset!
  found << ActiveRecord::Base.connection.select_value('show statement_timeout')
  ActiveRecord::Base.remove_connection
  found
end

# Action Cable's PostgreSQL adapter: LISTEN on a connection of its own, waited for below the adapter.
def notify
  hearer = connect({})
  raw = hearer.connection.raw_connection
  hearer.connection.execute('listen news')
  ActiveRecord::Base.establish_connection(ADDRESS)
  ActiveRecord::Base.connection.execute("notify news, 'first'")
  ActiveRecord::Base.transaction { ActiveRecord::Base.connection.execute("notify news, 'second'") }
  ActiveRecord::Base.transaction do
    ActiveRecord::Base.connection.execute("notify news, 'never'")
    raise ActiveRecord::Rollback
  end
  ActiveRecord::Base.connection.execute("notify news, 'third'")
  found = []
  while found.size < 3
    raw.wait_for_notify(10) { |_, _, payload| found << payload } or raise 'no notification came in 10 s'
  end
  hearer.remove_connection
  ActiveRecord::Base.remove_connection
  found
end

NATIVES = { 'mapped' => method(:mapped), 'pool' => method(:pool), 'notify' => method(:notify) }.freeze

# One script at a time.
class Script
  def initialize(name)
    @name = name
    @startup = {}
    @holders = {}
    @found = []
  end

  def line(kind, *rest)
    case kind
    when 'startup' then @startup[rest[0]] = rest[1]
    when 'close' then @holders.delete(rest[0]).remove_connection
    when 'native' then @found += attempt(@name) { NATIVES.fetch(rest[0]).call }
    else @found += attempt(@name) { [ask(@holders[rest[0]] ||= connect(@startup), rest[1], rest[2..])] }
    end
  end

  def end
    @holders.each_value(&:remove_connection)
    puts [@name, *@found.map { |value| words(value) }].join("\t")
  end
end

$stdout.sync = true
script = nil
$stdin.each_line(chomp: true) do |line|
  kind, *rest = line.split("\t", -1)
  if kind == 'script'
    script&.end
    script = Script.new(rest[0])
  else
    script.line(kind, *rest)
  end
end
script&.end
